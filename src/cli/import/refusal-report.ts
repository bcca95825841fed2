// The refused lines of an import, as NDJSON: which line, who, why.

import { open, rm, stat, truncate } from 'node:fs/promises';
import type { FieldViolation } from '../../domain/errors.ts';

/** A line that did not come in. */
export type RefusedLine = {
  readonly line: number;
  readonly externalId: string;
  readonly reason: string;
  readonly violations: readonly FieldViolation[];
};

/** Writes refusals to `path`, which is made with the first of them. */
export class RefusalReport {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Goes on behind the first `length` bytes; with 0 a report of before is taken away. */
  async begin(length: number): Promise<void> {
    if (length === 0) return rm(this.#path, { force: true });
    const size = await stat(this.#path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > length) await truncate(this.#path, length);
  }

  /** Resolves to the length of the report in bytes, when what was added is in the file. */
  async add(refused: readonly RefusedLine[]): Promise<number> {
    const lines = refused.map(({ line, externalId, reason, violations }) =>
      JSON.stringify({ line, external_id: externalId, reason, violations }),
    );
    const file = await open(this.#path, 'a');
    try {
      await file.appendFile(lines.map((line) => `${line}\n`).join(''));
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  }
}
