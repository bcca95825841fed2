// Which names are taken: joiners where scripts and emoji need them, nothing that cannot be seen.

import { describe, expect, it } from 'vitest';
import { checkText } from '../../src/domain/text.ts';
import { personName } from '../../src/mail/plain-words.ts';

const NAME = { field: 'full_name', min: 1, max: 200, name: true } as const;
const taken = (raw: string) => {
  const read = checkText(raw, NAME);
  return 'text' in read ? read.text : undefined;
};

it.each([
  ['Persian with a non-joiner', 'علی\u200Cرضا'],
  ['Persian with marks before it', 'مُ\u200Cرضا'],
  ['Sinhala with a joiner after a virama', 'ශ්\u200Dරී'],
  ['Malayalam chillu', 'രാജന്\u200D'],
  ['Devanagari with a non-joiner after a virama', 'क्\u200Cष'],
  ['Bengali', 'র\u09CD\u200Dযাম'],
  ['an emoji of several', 'Ada 👩\u200D💻'],
  ['a family', '👨\u200D👩\u200D👧\u200D👦'],
  ['an emoji with a presentation selector', 'Love ❤\uFE0F'],
  ['a keycap', 'Team 1\uFE0F\u20E3'],
  ['the flag of England', '🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}'],
  ['a Japanese name with its variant of a character', '辻\u{E0100}村'],
  ['Mongolian with a variation selector', 'ᠮᠠ\u180Bᠨ'],
  ['letters of several scripts', 'Ольга O’Connor-李'],
  ['marks on letters', 'Nguyễn Thị Ánh'],
])('takes %s', (_what, name) => {
  expect(taken(name)).toBe(name.normalize('NFC'));
});

it.each([
  ['a zero-width space', 'a\u200Bb'],
  ['a joiner between Latin letters', 'ab\u200Dcd'],
  ['a non-joiner between Latin letters', 'ab\u200Ccd'],
  ['a joiner at the beginning', '\u200DAda'],
  ['a non-joiner at the end', 'علی\u200C'],
  ['two joiners', 'ශ්\u200D\u200Dරී'],
  ['a joiner after a letter without virama', 'ක\u200Dර'],
  ['an emoji that ends in a joiner', '👩\u200D'],
  ['a selector after a letter', 'A\uFE0F'],
  ['a selector alone', '\uFE0F'],
  ['tags after a letter', 'A\u{E0067}\u{E007F}'],
  ['a bidi override', 'a\u202Eb'],
  ['a left-to-right mark', 'a\u200Eb'],
  ['a soft hyphen', 'a\u00ADb'],
  ['a word joiner', 'a\u2060b'],
  ['a grapheme joiner', 'a\u034Fb'],
  ['Hangul fillers', '\u3164\u3164'],
  ['a half-width filler', '\uFFA0'],
  ['an interlinear mark', 'a\uFFF9b'],
  ['a noncharacter', 'a\uFFFEb'],
  ['a line separator', 'a\u2028b'],
  ['a control', 'a\u0007b'],
])('refuses %s', (_what, name) => {
  expect(checkText(name, NAME)).toMatchObject({ violation: { field: 'full_name' } });
});

describe('a name that cannot be seen', () => {
  it.each(['\u2800', '\u2800\u2800 \u2800', '\u00A0', '\u3000 ', '   ', '\u0301', '\u0301\u0302'])(
    '%j is none',
    (name) => {
      expect(checkText(name, NAME)).toHaveProperty('violation');
    },
  );
  it('is absent where it may be', () => {
    expect(checkText(' \u3000', { ...NAME, min: 0 })).toEqual({ text: '' });
  });
});

it('has no blanks around it', () => {
  expect(taken('  Ada Lovelace\u00A0\u3000\t')).toBe('Ada Lovelace');
  expect(taken('Ada  Lovelace')).toBe('Ada  Lovelace');
});

it('keeps its joiners in mail, and no others', () => {
  expect(personName('علی\u200Cرضا')).toBe('علی\u200Cرضا');
  expect(personName('ශ්\u200Dරී')).toBe('ශ්\u200Dරී');
  expect(personName('Ada 👩\u200D💻')).toBe('Ada');
});
