// Holds the rules for text, e-mail addresses, user names and scopes.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MAX_SCOPES, intersectScopes, readScopes } from '../../src/domain/access/scope.ts';
import { emailAddress, emailKey } from '../../src/domain/account/email-address.ts';
import { username, usernameKey } from '../../src/domain/account/username.ts';
import { checkText, Violations } from '../../src/domain/text.ts';
import { parseAddress } from '../../src/mail/address-parser.ts';
import { anyString } from '../support/matchers.ts';

describe('text', () => {
  const rule = { field: 'name', min: 1, max: 10 };

  it('comes out in NFC, whichever way it came in', () => {
    const letters = fc.array(fc.constantFrom('é', 'Å', 'ﬁ', '각', 'ᾂ', '中', '🔑', 'a', ' '), {
      minLength: 1,
      maxLength: 10,
    });
    fc.assert(
      fc.property(letters, fc.constantFrom('NFC', 'NFD'), (parts, form) => {
        const text = parts.join('').normalize('NFC');
        expect(checkText(text.normalize(form), rule)).toEqual({ text });
      }),
    );
  });

  it('is counted in code points: ten keys are ten, eleven too many', () => {
    expect(checkText('🔑'.repeat(10), rule)).toHaveProperty('text');
    expect(checkText('🔑'.repeat(11), rule)).toHaveProperty('violation.field', 'name');
    expect(checkText('', rule)).toHaveProperty('violation.description', 'is required');
    expect(checkText('', { ...rule, min: 0 })).toEqual({ text: '' });
    expect(checkText('ab', { ...rule, min: 3 })).toHaveProperty('violation');
    expect(checkText('x'.repeat(5_000_000), rule)).toHaveProperty('violation');
  });

  it.each(['\u0000', '\n', '\t', '\u007F', '\u0085', '\u200B', '\u202E', '\u2066', '\uFEFF'])(
    'holds no %j',
    (odd) => {
      for (const text of [odd, `a${odd}`, `${odd}a`, `a${odd}b`]) {
        expect(checkText(text, rule)).toHaveProperty('violation');
      }
    },
  );

  it('of a secret may hold joiners, but no control character', () => {
    const secret = { ...rule, secret: true };
    expect(checkText('👩\u200D🔑', secret)).toHaveProperty('text');
    expect(checkText('a\u0000', secret)).toHaveProperty('violation');
  });

  it.each(['\uD800', '\uDC00', 'a\uD800b', '\uDC00\uD800'])('holds no lone surrogate: %j', (text) => {
    expect(checkText(text, rule)).toHaveProperty('violation');
  });

  it('is either refused or well-formed, normal and within its limits, whatever came', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (raw) => {
        const checked = checkText(raw, rule);
        if ('violation' in checked) return;
        expect(checked.text).toBe(checked.text.normalize('NFC'));
        expect(checked.text.isWellFormed()).toBe(true);
        expect([...checked.text].length).toBeLessThanOrEqual(10);
        expect(checkText(checked.text, rule)).toEqual(checked);
      }),
    );
  });

  it('violations are collected, each with its field', () => {
    const violations = new Violations();
    expect(violations.text('', rule)).toBe('');
    expect(violations.text('ok', rule)).toBe('ok');
    violations.add('other', 'is odd');
    expect(violations.list.map(({ field }) => field)).toEqual(['name', 'other']);
  });
});

describe('an e-mail address', () => {
  const read = (raw: string) => emailAddress(parseAddress, 'email', raw);
  const label = 'a'.repeat(63);

  it.each([
    'ada@example.com',
    "o'brien+tag@sub.example.co.uk",
    'x!#$%&*/=?^_`{|}~-@example.com',
    'grün@example.de',
    `${'a'.repeat(64)}@example.com`,
    `a@${label}.${label}.${label}.com`,
    'a@xn--bcher-kva.example',
  ])('may be %s', (raw) => {
    expect(read(raw)).toEqual({ address: { text: raw.normalize('NFC'), key: raw.toLowerCase() } });
  });

  it('has the domain of the DNS in its key, so that an IDN and its punycode are one mailbox', () => {
    expect(read('用户@例子.中国')).toEqual({
      address: { text: '用户@例子.中国', key: '用户@xn--fsqu00a.xn--fiqs8s' },
    });
    expect(emailKey('grün@EXÄMPLE.de')).toBe(emailKey('grün@xn--exmple-cua.de'));
  });

  it('may not be spelt with full-width letters, which would be a second key for one mailbox', () => {
    expect(read('ada@ｅxample.com')).toMatchObject({ violation: { field: 'email' } });
  });

  it.each([
    '=?utf-8?q?Pay_now?=@example.com',
    'a=?UTF-8?B?cGF5?=b@example.com',
    '',
    'ada',
    '@example.com',
    'ada@',
    'ada@localhost',
    'ada@@example.com',
    'ada@evil.example@example.com',
    'ada＠example.com',
    'ada﹫example.com',
    'ada＠evil.example@example.com',
    '"ada"@example.com',
    '"a b"@example.com',
    '"a@b"@example.com',
    'ada(comment)@example.com',
    'ada@(comment)example.com',
    'Ada <ada@example.com>',
    '<ada@example.com>',
    'ada@example.com, bob@example.com',
    'team: ada@example.com;',
    'ada@[192.0.2.1]',
    'ada@[IPv6:::1]',
    'ada@192.0.2.1',
    'ada@-example.com',
    'ada@example-.com',
    'ada@example..com',
    'ada@.example.com',
    'ada@example.com.',
    '.ada@example.com',
    'ada.@example.com',
    'a..b@example.com',
    ' ada@example.com',
    'ada@example.com ',
    'ada @example.com',
    'ada@exa mple.com',
    'ada@example.com\r\nBcc: eve@evil.example',
    'ada\u0000@example.com',
    'ad\u200Ba@example.com',
    'ada@example\u3002com',
    'ada@exam_ple.com',
    `${'a'.repeat(65)}@example.com`,
    `a@${label}a.com`,
    `${'a'.repeat(60)}@${label}.${label}.${label}.com`,
  ])('is not %j', (raw) => {
    expect(read(raw)).toHaveProperty('violation.field', 'email');
  });

  it('has 254 characters at most', () => {
    const domain = `${label}.${label}.${label}`;
    const address = (length: number) => `${'a'.repeat(length - domain.length - 4 - 1)}@${domain}.com`;
    expect(read(address(254))).toHaveProperty('address');
    expect(read(address(255))).toHaveProperty('violation');
  });

  it('has one key for every case and every normal form of it', () => {
    const letter = fc.constantFrom('a', 'Z', 'é', 'Ö', 'ж', 'Ω', 'ñ', '7', '-');
    const local = fc.array(letter, { minLength: 1, maxLength: 20 }).map((letters) => `x${letters.join('')}x`);
    fc.assert(
      fc.property(local, (name) => {
        const spellings = [name, name.toUpperCase(), name.toLowerCase(), name.normalize('NFD')];
        const keys = spellings.map((spelling) => emailKey(`${spelling}@Example.COM`));
        expect(new Set(keys).size).toBe(1);
      }),
    );
  });

  it('has a key that is its own key, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => emailKey(emailKey(text)) === emailKey(text)),
    );
  });

  it('of a plain address is what the parsers make of it', () => {
    const atom = fc.string({
      unit: fc.constantFrom('a', 'Z', '0', '9', '_', '+', '-', '.', 'x'),
      minLength: 1,
      maxLength: 12,
    });
    const label = fc.string({
      unit: fc.constantFrom('a', 'X', 'n', '0', '-', '9'),
      minLength: 1,
      maxLength: 8,
    });
    const top = fc.oneof(fc.constantFrom('com', 'Museum', '0x10', '1', 'x'), label);
    fc.assert(
      fc.property(atom, fc.array(label, { maxLength: 3 }), top, (local, labels, last) => {
        const raw = `${local}@${[...labels, last].join('.')}`;
        const found = emailAddress(parseAddress, 'email', raw);
        const byParsers = parseAddress(raw);
        if ('address' in found) {
          expect(found.address).toEqual({ text: raw, key: emailKey(raw) });
          expect(byParsers).toEqual({ local, domain: [...labels, last].join('.') });
        } else if (
          byParsers !== undefined &&
          /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/i.test(byParsers.domain)
        )
          expect(raw).toBe('taken');
      }),
      { numRuns: 3_000 },
    );
  });

  it('is refused or kept as it is, never mended', () => {
    fc.assert(
      fc.property(fc.oneof(fc.emailAddress(), fc.string({ unit: 'binary' })), (raw) => {
        const checked = read(raw);
        if ('address' in checked) expect(checked.address.text).toBe(raw.normalize('NFC'));
      }),
    );
  });
});

describe('a user name', () => {
  it.each(['ada', 'A-b_9', '___', 'x'.repeat(50)])('may be %s', (raw) => {
    expect(username('username', raw)).toEqual({ username: { text: raw, key: raw.toLowerCase() } });
  });

  it.each(['', 'ab', 'x'.repeat(51), 'a b', 'ada@example', 'аda', 'ada\n', 'é-name', 'a.b.c', 'ｆull'])(
    'is not %j',
    (raw) => {
      expect(username('username', raw)).toHaveProperty('violation.field', 'username');
    },
  );

  it('has one key for every case', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{3,50}$/), (raw) => {
        expect(usernameKey(raw.toUpperCase())).toBe(usernameKey(raw.toLowerCase()));
        expect(usernameKey(raw)).not.toContain('@');
      }),
    );
  });
});

describe('scopes', () => {
  const scope = fc.stringMatching(/^[a-z_]{1,8}:[a-z]{1,5}$/);

  it('are read in order without repeats', () => {
    const violations = new Violations();
    expect(readScopes(violations, 'scopes', ['b:x', 'a:x', 'b:x'])).toEqual(['b:x', 'a:x']);
    expect(violations.list).toEqual([]);
  });

  it.each(['', 'a b', 'a"b', 'a\\b', 'a\n', 'é', 'x'.repeat(101)])('are not %j', (bad) => {
    const violations = new Violations();
    readScopes(violations, 'scopes', ['good:scope', bad]);
    expect(violations.list).toEqual([{ field: 'scopes[1]', description: anyString }]);
  });

  it('are at most a hundred', () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `scope:${index}`);
    const violations = new Violations();
    expect(readScopes(violations, 'scopes', many(MAX_SCOPES))).toHaveLength(MAX_SCOPES);
    expect(violations.list).toEqual([]);
    expect(readScopes(violations, 'scopes', many(MAX_SCOPES + 1))).toEqual([]);
    expect(violations.list).toHaveLength(1);
  });

  it('intersect to what both sides hold, in the order of the first', () => {
    fc.assert(
      fc.property(fc.array(scope), fc.array(scope), (asked, granted) => {
        const both = intersectScopes(asked, new Set(granted));
        expect(both).toEqual(asked.filter((one) => granted.includes(one)));
      }),
    );
  });
});
