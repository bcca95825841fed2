// All live revocations of a process in packed memory: a node and a verifier hold a million of them in about 46 MiB.

import { ExpiryBuckets } from './expiry-buckets.ts';
import { HashChains } from './hash-chains.ts';
import type { RowNumbers } from './packed-rows.ts';
import { MAX_NUMBER, NIL, PackedRows } from './packed-rows.ts';
import { UuidKey } from './uuid-key.ts';

export { BUCKET_MS } from './expiry-buckets.ts';
export { PAGE_ROWS } from './packed-rows.ts';

/** What an id names. The numbers are those of latchkey.v1.RevocationForm. */
export const FORMS = { token: 1, session: 2, subject: 3 } as const;
export type Form = (typeof FORMS)[keyof typeof FORMS];

/** The value of a session that is revoked at once: no clock says that it is earlier. */
export const AT_ONCE = 0;

/**
 * One revocation. Times are epoch milliseconds; what is no whole number from 0 to 2^48 - 1 is rounded down and moved into that range. `value` is
 * the lowest good version of a subject, the time from which a session is revoked or AT_ONCE, and unused for a token.
 */
export type Entry = RowNumbers & { readonly form: Form; readonly id: string };

/** How many expired entries one `prune` deletes at most: a few milliseconds. */
export const MAX_PRUNED = 10_000;

/** Reads and writes in constant time; no call walks over all entries, and only `put`, `pageOf` and `others` allocate. */
export class RevocationTable {
  readonly #key: UuidKey;
  readonly #rows = new PackedRows();
  readonly #chains: HashChains;
  readonly #buckets = new ExpiryBuckets(this.#rows);
  /**
   * What has an id that is no canonical UUID. latchkey gives no such ids, but what was revoked under one must stay revoked. By form and id.
   */
  readonly #others = new Map<string, Entry>();

  /** `hashTables` as for UuidKey; random unless given. */
  constructor(hashTables?: Uint32Array) {
    this.#key = new UuidKey(hashTables);
    this.#chains = new HashChains(this.#rows, this.#key);
  }

  /** How many entries are held. Expired ones count until `prune` has deleted them. */
  get size(): number {
    return this.#chains.size + this.#others.size;
  }

  /** The value of an entry, expired or not; undefined when there is none. */
  valueOf(form: Form, id: string): number | undefined {
    if (this.size === 0) return undefined;
    if (!this.#key.read(form, id))
      return this.#others.size === 0 ? undefined : this.#others.get(otherKey(form, id))?.value;
    const row = this.#chains.find(form, this.#key);
    return row === NIL ? undefined : this.#rows.value(row);
  }

  has(form: Form, id: string): boolean {
    return this.valueOf(form, id) !== undefined;
  }

  /**
   * Adds an entry, or merges it into the one of the same form and id: the latest expiry, the soonest effect time and the highest version count.
   * One that has expired at `horizon` is replaced. Returns whether anything changed.
   */
  put(entry: Entry, horizon: number): boolean {
    const numbers = wholeNumbers(entry);
    if (!this.#key.read(entry.form, entry.id)) return this.#putOther({ ...entry, ...numbers }, horizon);
    const row = this.#chains.find(entry.form, this.#key);
    if (row === NIL) {
      this.#add(entry.form, numbers);
      return true;
    }
    const merged = merge(entry.form, this.#numbersOf(row), numbers, horizon);
    if (merged === undefined) return false;
    this.#rows.setNumbers(row, merged);
    return true;
  }

  /** Deletes what has expired at `horizon`, MAX_PRUNED entries at most, and each within BUCKET_MS of its expiry. Call it about once a second. */
  prune(horizon: number): void {
    this.#buckets.expire(horizon, MAX_PRUNED, (row) => {
      this.#chains.remove(row);
      this.#rows.remove(row);
    });
    for (const [key, { expireTime }] of this.#others) if (expireTime <= horizon) this.#others.delete(key);
    // Nothing refers to a row now, and a peak need not be paid for any longer.
    if (this.#chains.size === 0 && this.#rows.pageCount > 0) this.#clear();
  }

  /** How many pages of PAGE_ROWS entries there are, some of them with gaps. An entry stays on its page. */
  get pageCount(): number {
    return this.#rows.pageCount;
  }

  /** Differs whenever something on the page may have changed. */
  versionOf(page: number): number {
    return this.#rows.versionOf(page);
  }

  /** What has not expired at `horizon` on a page. */
  pageOf(page: number, horizon: number): Entry[] {
    const entries: Entry[] = [];
    for (const row of this.#rows.rowsOf(page)) {
      const numbers = this.#numbersOf(row);
      if (numbers.expireTime > horizon)
        entries.push({ form: formOf(this.#rows.form(row)), id: this.#rows.id(row), ...numbers });
    }
    return entries;
  }

  /** What has not expired at `horizon` and stands on no page. */
  others(horizon: number): Entry[] {
    return [...this.#others.values()].filter(({ expireTime }) => expireTime > horizon);
  }

  #add(form: Form, numbers: RowNumbers): void {
    const row = this.#rows.add(form, this.#key);
    this.#rows.setNumbers(row, numbers);
    this.#chains.add(row, this.#key.hash);
    this.#buckets.add(row);
  }

  #putOther(entry: Entry, horizon: number): boolean {
    const key = otherKey(entry.form, entry.id);
    const known = this.#others.get(key);
    const merged = known === undefined ? entry : merge(entry.form, known, entry, horizon);
    if (merged === undefined) return false;
    this.#others.set(key, { ...entry, ...merged });
    return true;
  }

  #numbersOf(row: number): RowNumbers {
    const rows = this.#rows;
    return {
      revokeTime: rows.revokeTime(row),
      expireTime: rows.expireTime(row),
      value: rows.value(row),
    };
  }

  #clear(): void {
    this.#chains.clear();
    this.#rows.clear();
    this.#buckets.clear();
  }
}

/** What both say together; undefined when `known` says it all already. */
function merge(form: Form, known: RowNumbers, next: RowNumbers, horizon: number): RowNumbers | undefined {
  if (known.expireTime <= horizon) return next;
  const expireTime = Math.max(known.expireTime, next.expireTime);
  const value =
    form === FORMS.subject ? Math.max(known.value, next.value) : Math.min(known.value, next.value);
  if (expireTime === known.expireTime && value === known.value) return undefined;
  return { revokeTime: next.revokeTime, expireTime, value };
}

function wholeNumbers({ revokeTime, expireTime, value }: RowNumbers): RowNumbers {
  return { revokeTime: whole(revokeTime), expireTime: whole(expireTime), value: whole(value) };
}

function whole(number: number): number {
  return number > 0 ? Math.min(Math.floor(number), MAX_NUMBER) : 0;
}

function formOf(number: number): Form {
  if (number === FORMS.token) return FORMS.token;
  return number === FORMS.session ? FORMS.session : FORMS.subject;
}

function otherKey(form: Form, id: string): string {
  return `${form} ${id}`;
}
