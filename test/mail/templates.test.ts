// What a reader sees of each email, and that no untrusted text becomes words, links or headers in it.

import { htmlUnescape } from 'escape-goat';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ReadyContent } from '../../src/domain/mail/ready-mail.ts';
import { layOut } from '../../src/mail/layout.ts';
import { deviceName, maskedAddress, personName } from '../../src/mail/plain-words.ts';
import { renderEmail } from '../../src/mail/templates.ts';

const ipAddress = '192.0.2.1';
const fullName = 'Ada O’Hara-Lovelace';
const link = `https://id.example.com/path#token=lkpr_${'A'.repeat(64)}`;
const userAgent = 'Mozilla/5.0 (X11; Linux x86_64) Firefox/147.0';

type Contents = {
  readonly [Template in ReadyContent['template']]: Extract<ReadyContent, { template: Template }>;
};

// Nothing compiles while one is missing.
const contentsOf = (name: string, device: string, agent: string, address: string): Contents => ({
  verify_email: { template: 'verify_email', link },
  password_reset: { template: 'password_reset', fullName: name, ipAddress, link },
  invitation: { template: 'invitation', fullName: name, link },
  forced_password_reset: { template: 'forced_password_reset', fullName: name, link },
  address_proved: { template: 'address_proved', fullName: name, link },
  email_change: { template: 'email_change', ipAddress, link },
  email_change_taken: { template: 'email_change_taken', ipAddress },
  email_changed: { template: 'email_changed', fullName: name, newEmail: address, ipAddress },
  email_changed_by_administrator: {
    template: 'email_changed_by_administrator',
    fullName: name,
    newEmail: address,
  },
  password_changed: { template: 'password_changed', fullName: name, ipAddress },
  account_locked: { template: 'account_locked', fullName: name, ipAddress },
  new_device: { template: 'new_device', fullName: name, deviceName: device, userAgent: agent, ipAddress },
  mfa_enabled: { template: 'mfa_enabled', fullName: name, ipAddress },
  mfa_disabled: { template: 'mfa_disabled', fullName: name, ipAddress },
  mfa_reset: { template: 'mfa_reset', fullName: name },
  account_deleted: { template: 'account_deleted', fullName: name },
  register_taken: { template: 'register_taken', ipAddress },
  session_theft: { template: 'session_theft', fullName: name, deviceName: device, ipAddress },
});
const CONTENTS = contentsOf(fullName, 'laptop', userAgent, 'new.name@example.org');

/** What is left of a page for a reader. */
function seen(html: string): string {
  const body = html.slice(html.indexOf('</h1>'));
  return htmlUnescape(body.replaceAll(/<[^>]*>/g, '\n')).replaceAll(/\s*\n\s*/g, '\n');
}

describe('the email', () => {
  it.each(Object.entries(CONTENTS))('%s', (_template, content) => {
    const { subject, text, html } = renderEmail(content);
    expect(`Subject: ${subject}\n\n${text}`).toMatchSnapshot();
    for (const paragraph of text.trim().split('\n\n')) expect(seen(html)).toContain(paragraph);
  });

  it('is a small page that screen readers can read, with one link and nothing to fetch', () => {
    expect(renderEmail(CONTENTS.password_reset).html).toMatchSnapshot();
    for (const content of Object.values(CONTENTS)) {
      const { html } = renderEmail(content);
      expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
      expect(html).not.toMatch(/<(?:img|script|style|link|iframe|form|input|table)|src=|@import|url\(/i);
      expect(html.match(/<a /g) ?? []).toHaveLength('link' in content ? 1 : 0);
      expect(html.length).toBeLessThan(4_096);
    }
  });
});

it('escapes whatever it is given, and keeps each paragraph one', () => {
  const { text, html } = layOut({
    subject: 'A < B',
    name: '<b>"Ada"',
    before: ['one\r\n\r\nhttps://evil.com\u2029&lt;script>'],
    link: { label: '<i>', url: 'https://id.example.com/"><script>' },
  });
  expect(text).toBe(
    'Hello <b>"Ada",\n\none https://evil.com &lt;script>\n\nhttps://id.example.com/"><script>\n',
  );
  expect(html).toContain('<title>A &lt; B</title>');
  expect(html).toContain('<p>Hello &lt;b&gt;&quot;Ada&quot;,</p>');
  expect(html).toContain('<p>one https://evil.com &amp;lt;script&gt;</p>');
  expect(html).toContain('<a href="https://id.example.com/&quot;&gt;&lt;script&gt;"');
  expect(html).not.toMatch(/<script|<i>|<b>/);
});

describe('a name', () => {
  it.each([
    ['Ada Lovelace', 'Ada Lovelace'],
    ['Zoë O’Hara-李 3rd', 'Zoë O’Hara-李 rd'],
    ['J. R. R. Tolkien Jr.', 'J. R. R. Tolkien Jr.'],
    ['evil.com', 'evil com'],
    ['click http://evil.com/a?b=c now', 'click http evil com a b c now'],
    ['www.evil.com', 'www evil com'],
    ['ada@evil.com', 'ada evil com'],
    ['<a href="//evil.com">x</a>', 'a href evil com x a'],
    ['+1 (555) 0100', undefined],
    ['Ada\r\nBcc: x@evil.com', 'Ada Bcc x evil com'],
    ['Ada\n\nYou have won.', 'Ada You have won.'],
    ['evil。com', 'evil com'],
    ['evil․com', 'evil com'],
    ['x'.repeat(51), `${'x'.repeat(50)}…`],
    ['', undefined],
    ['...', undefined],
  ])('%j is shown as %j', (given, shown) => {
    expect(personName(given)).toBe(shown);
  });

  it.each([
    ['Ada’s laptop (2)', 'Ada’s laptop (2)'],
    [userAgent, 'Mozilla/5.0 (X11 Linux x86_64) Firefox/147.0'],
    ['curl/8.5.0', 'curl/8.5.0'],
    ['http://evil.com/login', 'http evil com login'],
    ['evil.com/1', 'evil com/1'],
    ['', undefined],
  ])('of a device: %j is shown as %j', (given, shown) => {
    expect(deviceName(given)).toBe(shown);
  });

  it('of a new address is a hint', () => {
    expect(maskedAddress('call-me-now@example.com')).toBe('c…@example.com');
    expect(maskedAddress('🔑key@example.com')).toBe('🔑…@example.com');
  });
});

it('no untrusted text becomes a link, markup, a header or a paragraph', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc
      .array(
        fc.constantFrom(
          'http://',
          'evil.com',
          '<b>',
          '&lt;',
          '\r\n',
          '\n\n',
          '\u2028',
          '@',
          '//',
          'www.',
          '"',
          'a',
          ' ',
          '.',
          '/',
          '1',
          ':',
        ),
        { maxLength: 20 },
      )
      .map((parts) => parts.join('')),
  );
  const innocent = contentsOf('Ada', 'laptop', 'curl', 'x@example.org');
  fc.assert(
    fc.property(hostile, hostile, (name, device) => {
      for (const content of Object.values(contentsOf(name, device, device, 'x@example.org'))) {
        const { subject, text, html } = renderEmail(content);
        const usual = renderEmail(innocent[content.template]);
        expect(subject).toBe(usual.subject);
        expect(text.split('\n')).toHaveLength(usual.text.split('\n').length);
        const own = text
          .replaceAll(link, '')
          .replaceAll('c…@', '')
          .replaceAll(ipAddress, '')
          .replaceAll('…@example.org', '');
        expect(own).not.toMatch(/:\/|[\p{L}\p{N}@]\.\p{L}|@|[<>&]|[^\P{Cc}\n]/u);
        const tags = (page: string) => page.match(/<[^>]*>/g);
        expect(tags(html)).toEqual(tags(usual.html));
      }
    }),
  );
});
