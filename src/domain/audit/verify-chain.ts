// Verifies the sealed audit log: that nothing was altered, deleted, put in or moved since it was sealed.

import type { LostEvent } from './seal-events.ts';
import type { ChainHead, EventRecord, Seal, SealHash } from './seal.ts';
import { CHAIN_START, DIGEST_LENGTH, lastNumberOf } from './seal.ts';
import { rfc3339Time } from '../written-time.ts';

/** A seal as it stands in the database, whose count of events may differ from the events. */
export type StoredSeal = Seal & { readonly eventCount: number };

/** Where the history that is kept begins. */
export type Retirement = {
  /** Events before this time are gone. Written like EventRecord's times. */
  readonly horizon: string;
  /** The last link of the chain that is gone. */
  readonly last: ChainHead;
  /** Whether an event of the log records it, as retention by the rules writes one. */
  readonly isRecorded: boolean;
};

/** Some of what was found, and how many there are in all. */
export type Found = { readonly events: readonly LostEvent[]; readonly total: number };

/** Port: reads the whole log as it was at one moment, whatever is written meanwhile. */
export type ChainReader = {
  /** The last retirement; undefined when there was none. */
  retirement(): Promise<Retirement | undefined>;
  /** The next few seals whose first number is greater than `after`, in order. */
  seals(after: number): Promise<readonly StoredSeal[]>;
  /** The events that a seal names, in its order; undefined for those that are not there. */
  events(seal: StoredSeal): Promise<ReadonlyArray<EventRecord | undefined>>;
  /** Events that are neither sealed nor queued, at most `limit` of them. */
  neverSealed(limit: number): Promise<Found>;
  sealedTwice(limit: number): Promise<Found>;
  /** Queued events that are not there. */
  queuedAndGone(limit: number): Promise<Found>;
  /** How many wait to be sealed. */
  queued(): Promise<number>;
};

/** Something that is wrong. */
export type Fault = { readonly what: string; readonly number?: number; readonly eventId?: string };

export type Verification = {
  /** How many events are there and as they were sealed. */
  readonly good: number;
  /** How many are gone by retention, of those whose seals are kept. */
  readonly retired: number;
  readonly queued: number;
  /** The number behind which the history begins. */
  readonly begin: number;
  readonly head: ChainHead;
  /** The times of the earliest and the latest event that is there. */
  readonly earliest: string | undefined;
  readonly latest: string | undefined;
  /** The first of them, at most MAX_FAULTS. */
  readonly faults: readonly Fault[];
  readonly faultCount: number;
};

export type VerifyChainDeps = { readonly chain: ChainReader; readonly sealHash: SealHash };

/** How many faults are named. */
export const MAX_FAULTS = 20;

/**
 * Walks through the whole chain, a few seals at a time. `expected` is a head that an earlier run printed, kept where who writes the database
 * does not: it shows that the chain was neither made anew nor cut off since. Errors: STORAGE_UNAVAILABLE.
 */
export async function verifyChain(
  { chain, sealHash }: VerifyChainDeps,
  expected?: ChainHead,
): Promise<Verification> {
  const retirement = await chain.retirement();
  const walk = new Walk(sealHash, retirement, expected);
  for (let after = retirement?.last.number ?? 0; ;) {
    const seals = await chain.seals(after);
    const last = seals.at(-1);
    if (last === undefined) break;
    for (const seal of seals) walk.check(seal, await chain.events(seal));
    after = last.firstNumber;
  }
  walk.addAll(await chain.neverSealed(MAX_FAULTS), 'was put into the log, and never sealed');
  walk.addAll(await chain.sealedTwice(MAX_FAULTS), 'is sealed more than once');
  walk.addAll(await chain.queuedAndGone(MAX_FAULTS), 'was deleted before it was sealed');
  return walk.end(await chain.queued());
}

class Walk {
  readonly #sealHash: SealHash;
  readonly #retirement: Retirement | undefined;
  readonly #expected: ChainHead | undefined;
  readonly #faults: Fault[] = [];
  #faultCount = 0;
  #head: ChainHead;
  #isExpectedMet = false;
  #good = 0;
  #retired = 0;
  #earliest: string | undefined;
  #latest: string | undefined;

  constructor(sealHash: SealHash, retirement: Retirement | undefined, expected: ChainHead | undefined) {
    this.#sealHash = sealHash;
    this.#retirement = retirement;
    this.#expected = expected;
    this.#head = retirement?.last ?? CHAIN_START;
    this.#meetExpected();
    if (retirement?.isRecorded === false)
      this.#add({ what: `everything before ${retirement.horizon} is gone, and no event records it` });
  }

  check(seal: StoredSeal, events: ReadonlyArray<EventRecord | undefined>): void {
    const { firstNumber } = seal;
    const expectedNumber = this.#head.number + 1;
    if (firstNumber > expectedNumber)
      this.#add({ what: `the seals of the numbers ${expectedNumber} to ${firstNumber - 1} are missing` });
    if (firstNumber < expectedNumber)
      this.#add({ number: firstNumber, what: 'the seal overlaps the one before' });
    if (!isSame(seal.previousHash, this.#head.hash))
      this.#add({ number: firstNumber, what: 'the seal does not follow upon the one before' });
    if (!this.#isWhole(seal)) this.#add({ number: firstNumber, what: 'the seal was altered or forged' });
    seal.ids.forEach((id, index) => this.#checkEvent(seal, index, id, events[index]));
    this.#head = { number: lastNumberOf(seal), hash: seal.hash };
    this.#meetExpected();
  }

  addAll({ events, total }: Found, what: string): void {
    for (const { id } of events) this.#add({ eventId: id, what });
    this.#faultCount += total - events.length;
  }

  end(queued: number): Verification {
    const expected = this.#expected;
    if (expected !== undefined && !this.#isExpectedMet)
      this.#add({ number: expected.number, what: this.#whyUnmet(expected) });
    return {
      good: this.#good,
      retired: this.#retired,
      queued,
      begin: this.#retirement?.last.number ?? 0,
      head: this.#head,
      earliest: this.#earliest,
      latest: this.#latest,
      faults: this.#faults,
      faultCount: this.#faultCount,
    };
  }

  #isWhole(seal: StoredSeal): boolean {
    const { ids, times, digests, eventCount } = seal;
    const isEven = times.length === ids.length && digests.length === ids.length * DIGEST_LENGTH;
    return isEven && eventCount === ids.length && isSame(seal.hash, this.#sealHash.hash(seal));
  }

  #checkEvent(seal: StoredSeal, index: number, eventId: string, event: EventRecord | undefined): void {
    const number = seal.firstNumber + index;
    if (event === undefined) {
      if (this.#isRetired(seal.times[index] ?? '')) this.#retired += 1;
      else this.#add({ number, eventId, what: 'is missing' });
      return;
    }
    const digest = seal.digests.subarray(index * DIGEST_LENGTH, (index + 1) * DIGEST_LENGTH);
    if (isSame(digest, this.#sealHash.digest(event))) this.#good += 1;
    else this.#add({ number, eventId, what: 'was altered' });
    if (this.#earliest === undefined || event.time < this.#earliest) this.#earliest = event.time;
    if (this.#latest === undefined || event.time > this.#latest) this.#latest = event.time;
  }

  #isRetired(time: string): boolean {
    if (this.#retirement === undefined) return false;
    const [then, horizon] = [rfc3339Time(time), rfc3339Time(this.#retirement.horizon)];
    return then !== undefined && horizon !== undefined && then < horizon;
  }

  #meetExpected(): void {
    const { number, hash } = this.#head;
    if (this.#expected?.number === number && isSame(hash, this.#expected.hash)) this.#isExpectedMet = true;
  }

  #whyUnmet({ number }: ChainHead): string {
    if (number > this.#head.number)
      return `was expected, and the log ends at ${this.#head.number}: it was cut off`;
    if (number < (this.#retirement?.last.number ?? 0))
      return 'was expected, and is retired since: expect a later head';
    return 'was expected with another hash: the log was made anew';
  }

  #add(fault: Fault): void {
    if (this.#faults.length < MAX_FAULTS) this.#faults.push(fault);
    this.#faultCount += 1;
  }
}

// What is compared here is no secret to those who see the outcome.
function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
