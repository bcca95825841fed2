// Splits bytes into lines, each with its number and the place where it ends, in bounded memory whatever the lines are.

import { isUtf8 } from 'node:buffer';

/** The longest line that is read; a longer one is passed over. In bytes. */
export const MAX_LINE_BYTES = 1_048_576;

/** A place in a file between two lines: how many came before it, and how many bytes. */
export type Place = { readonly line: number; readonly offset: number };

/** A line with the place behind it: its text, or why it has none. Blank lines are left out. */
export type Line = { readonly after: Place } & ({ readonly text: string } | { readonly fault: string });

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** The lines of `chunks`, which begin at `start`. Ends may be `\n` or `\r\n`, and the last may have none. Errors: those of `chunks`. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, start: Place): AsyncGenerator<Line> {
  const current = new CurrentLine();
  let { line, offset } = start;
  const finish = (): Line | undefined => {
    const bytes = current.takeBytes();
    const after = { line, offset };
    if (bytes === undefined) return { after, fault: `is longer than ${MAX_LINE_BYTES} bytes` };
    const plain = line === 1 && startsWithMark(bytes) ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
    if (!isUtf8(plain)) return { after, fault: 'is not UTF-8' };
    const text = plain.toString('utf8').trim();
    return text === '' ? undefined : { after, text };
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      current.add(chunk.subarray(from, at));
      offset += at + 1 - from;
      from = at + 1;
      line += 1;
      const whole = finish();
      if (whole !== undefined) yield whole;
    }
    current.add(chunk.subarray(from));
    offset += chunk.length - from;
  }
  if (current.isEmpty) return;
  line += 1;
  const last = finish();
  if (last !== undefined) yield last;
}

/** What is no NDJSON: none of it has been taken. */
export class NotNdjsonError extends Error {}

/** The lines as they come, the first of the file `name` among them. Errors: NotNdjsonError, before any line. */
export async function* ndjsonOf(lines: AsyncIterable<Line>, name: string): AsyncGenerator<Line> {
  let isFirst = true;
  for await (const line of lines) {
    const fault = isFirst && 'text' in line ? notNdjson(line.text) : undefined;
    if (fault !== undefined) throw new NotNdjsonError(`${name}: ${fault}`);
    isFirst = false;
    yield line;
  }
}

/**
 * Why a file that begins with this line is not one JSON value a line; undefined where it may be. Of an array or a document over several lines
 * some lines may look like whole objects, so none of it is taken.
 */
function notNdjson(firstLine: string): string | undefined {
  if (firstLine.startsWith('['))
    return 'is a JSON array, and NDJSON is expected, one object a line: jq -c ".[]" makes it';
  if (!firstLine.startsWith('{') || isJson(firstLine)) return undefined;
  return 'begins with a line that is not whole JSON, and NDJSON is expected, one object a line: jq -c makes it';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function startsWithMark(bytes: Buffer): boolean {
  return bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
}

/** The bytes of a line as they come; of one that is too long, none. */
class CurrentLine {
  #parts: Buffer[] = [];
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  add(part: Buffer): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length <= MAX_LINE_BYTES) this.#parts.push(part);
    else this.#parts = [];
  }

  /** Undefined when it was too long. The next line begins. */
  takeBytes(): Buffer | undefined {
    const isTooLong = this.#length > MAX_LINE_BYTES;
    const [only = Buffer.alloc(0), ...others] = this.#parts;
    const bytes = others.length === 0 ? only : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return isTooLong ? undefined : bytes;
  }
}
