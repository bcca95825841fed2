// A file of NDJSON that an import writes as it goes on, and cuts back to where the last run's checkpoint has it.

import { open, rm, stat, truncate } from 'node:fs/promises';

/** Appends lines to `path`, which is made with the first of them. */
export class LineFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Goes on behind the first `length` bytes; with 0 a file of before is removed. */
  async begin(length: number): Promise<void> {
    if (length === 0) return rm(this.#path, { force: true });
    const size = await stat(this.#path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > length) await truncate(this.#path, length);
  }

  /** Resolves to the length of the file in bytes, when what was added is in it. */
  async add(lines: readonly unknown[]): Promise<number> {
    const file = await open(this.#path, 'a');
    try {
      await file.appendFile(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      return (await file.stat()).size;
    } finally {
      await file.close();
    }
  }
}
