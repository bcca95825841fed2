// Reads all live revocations page by page. Whoever reads at about the same time is given the same pages, so that each is made and encoded once.

import type { RevocationTable } from '../../revocation-table/revocation-table.ts';
import { PAGE_ROWS } from '../../revocation-table/revocation-table.ts';
import type { Revocation } from './revocation.ts';
import { fromEntry } from './table-entry.ts';

/** How many pages are cached while somebody reads: how far one reader may be behind another and still share. */
const MAX_CACHED = 16;

type CachedPage = {
  readonly version: number;
  readonly horizon: number;
  readonly revocations: readonly Revocation[];
};

/** The pages of one table. */
export class LivePages {
  readonly #table: RevocationTable;
  readonly #horizon: () => number;
  readonly #cached = new Map<number, CachedPage>();
  #readers = 0;
  /** Where the reader is who was given a page last: a new one begins there. */
  #latest = 0;

  /** `horizon` says up to when what has expired is left out. */
  constructor(table: RevocationTable, horizon: () => number) {
    this.#table = table;
    this.#horizon = horizon;
  }

  /**
   * Pages of at most PAGE_ROWS revocations, some of them empty. They may be read as slowly as wanted: what is live from beginning to end is on one of
   * them, and what is applied meanwhile may be.
   */
  *read(): Generator<readonly Revocation[], void, undefined> {
    this.#readers += 1;
    try {
      // What is added later stands behind, and would keep the reader from ever coming to the end.
      const { pageCount } = this.#table;
      const first = this.#latest < pageCount ? this.#latest : 0;
      for (let turn = 0; turn < pageCount; turn += 1) yield this.#page((first + turn) % pageCount);
      const others = this.#table.others(this.#horizon()).map(fromEntry);
      for (let start = 0; start < others.length; start += PAGE_ROWS)
        yield others.slice(start, start + PAGE_ROWS);
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) this.#cached.clear();
    }
  }

  #page(page: number): readonly Revocation[] {
    this.#latest = page;
    const version = this.#table.versionOf(page);
    const horizon = this.#horizon();
    const cached = this.#cached.get(page);
    // A clock that was set back makes what had expired live again.
    if (cached?.version === version && cached.horizon <= horizon) return cached.revocations;
    const revocations = this.#table.pageOf(page, horizon).map(fromEntry);
    this.#cached.delete(page);
    this.#cached.set(page, { version, horizon, revocations });
    const [oldest] = this.#cached.keys();
    if (this.#cached.size > MAX_CACHED && oldest !== undefined) this.#cached.delete(oldest);
    return revocations;
  }
}
