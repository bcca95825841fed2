// How the input of an import is cut into lines: the same whatever pieces it comes in, and with a bound on what is kept.

import { array, assert, asyncProperty, constantFrom, nat, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Line } from '../../src/cli/import/lines.ts';
import { linesOf, MAX_LINE_BYTES, ndjsonOf } from '../../src/cli/import/lines.ts';

const BEGINNING = { line: 0, offset: 0 };

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, size = 65_536, start = BEGINNING): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of linesOf(inPieces(bytes, size), start)) lines.push(line);
  return lines;
}

const wordsOf = (lines: readonly Line[]) =>
  lines.map((line) => `${line.after.line}@${line.after.offset} ${'text' in line ? line.text : line.fault}`);

it.each([1, 2, 3, 7, 65_536])(
  'passes over blank lines, \\r and a byte order mark, in pieces of %i',
  async (size) => {
    const bytes = Buffer.from('\uFEFFone\r\n\n \t\r\ntwo\n\uFEFFthree\nfour');
    const lines = await read(bytes, size);
    expect(lines.map(({ after }) => after.line)).toEqual([1, 4, 5, 6]);
    expect(lines.at(-1)).toEqual({ after: { line: 6, offset: bytes.length }, text: 'four' });
  },
);

it('reports bytes that are not UTF-8 by their line', async () => {
  const bytes = Buffer.concat([Buffer.from('a\n'), Buffer.from([0xc3, 0x28, 0x0a]), Buffer.from('b\n')]);
  expect(wordsOf(await read(bytes))).toEqual(['1@2 a', '2@5 is not UTF-8', '3@7 b']);
});

it('takes the longest line and passes over a longer one, keeping none of it', async () => {
  const longest = 'x'.repeat(MAX_LINE_BYTES);
  const lines = await read(Buffer.from(`${longest}\n${longest}x\nend`), 4_096);
  expect(lines.map((line) => ('text' in line ? line.text.length : line.fault))).toEqual([
    MAX_LINE_BYTES,
    `is longer than ${MAX_LINE_BYTES} bytes`,
    3,
  ]);
  async function* endless() {
    const piece = Buffer.alloc(MAX_LINE_BYTES, 'y');
    for (let count = 0; count < 200; count += 1) yield piece;
  }
  const before = process.memoryUsage.rss();
  for await (const line of linesOf(endless(), BEGINNING)) expect('fault' in line).toBe(true);
  expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000);
});

describe('a file that is no NDJSON is refused whole:', () => {
  const start = async (text: string) => {
    const lines: Line[] = [];
    for await (const line of ndjsonOf(linesOf(inPieces(Buffer.from(text), 5), BEGINNING), 'f'))
      lines.push(line);
    return lines.length;
  };
  it.each([
    ['an array, a person a line', '[\n{"a":1},\n{"a":2}\n]\n', /f: is a JSON array.*NDJSON/],
    ['an array in one line', '[{"a":1},{"a":2}]', /JSON array/],
    ['an array behind a mark and blanks', '\uFEFF\n  [ {"a":1} ]', /JSON array/],
    ['a document with the people inside', '{"users": [\n{"a":1},\n{"a":2}\n]}\n', /not whole JSON.*NDJSON/],
    ['a document over several lines', '{\n  "a": 1\n}\n', /not whole JSON/],
  ])('%s', async (_what, text, message) => {
    await expect(start(text)).rejects.toThrow(message);
  });
  it('and a bad line alone refuses no others', async () => {
    expect(await start('{"a":1}\n[\n{"users": [\n{"a":2}')).toBe(4);
    expect(await start('no json\n{"a":2}')).toBe(2);
    expect(await start('')).toBe(0);
  });
});

describe('whatever the text', () => {
  const texts = array(string({ unit: constantFrom('a', 'é', '\n', '\r', ' ', '☃', '"') })).map((parts) =>
    parts.join(''),
  );

  it('the lines are the same in any pieces, and from any line on', async () => {
    const property = asyncProperty(texts, nat(50), nat(20), async (text, size, skip) => {
      const bytes = Buffer.from(text);
      const whole = await read(bytes);
      expect(await read(bytes, size + 1)).toEqual(whole);
      const start = whole[skip]?.after;
      if (start === undefined) return;
      expect(await read(bytes.subarray(start.offset), size + 1, start)).toEqual(whole.slice(skip + 1));
    });
    await assert(property, { numRuns: 200 });
  });
});
