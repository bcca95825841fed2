// Seals the events that wait in the queue: gives them their numbers and makes the next link of the chain.

import type { Clock } from '../clock.ts';
import type { Transact } from '../transactions.ts';
import type { ChainHead, EventRecord, Seal, SealHash } from './seal.ts';

/** An event that was queued and is not there: it was deleted before it was sealed. */
export type LostEvent = { readonly id: string; readonly time: string };

/** What was taken from the queue: the events by time and id, each once. */
export type Taken = { readonly events: readonly EventRecord[]; readonly lost: readonly LostEvent[] };

/** For use within a transaction: one batch each. */
export type SealingStore = {
  /** Takes the lock until the transaction ends; false when another transaction, on any node, has it. */
  tryLock(): Promise<boolean>;
  /** Takes at most so many rows from the queue. */
  take(limit: number): Promise<Taken>;
  /** The end of the chain; also when retention deleted every batch. */
  head(): Promise<ChainHead>;
  append(seal: Seal): Promise<void>;
  /** Adds the events to the counts by hour. */
  count(events: readonly EventRecord[]): Promise<void>;
};

/** Port: the one look that an idle node takes. */
export type SealingQueue = { isEmpty(): Promise<boolean> };

export type SealEventsDeps = {
  readonly transact: Transact<{ readonly sealing: SealingStore }>;
  readonly sealHash: SealHash;
  readonly clock: Clock;
};

/** What one step came to. */
export type SealedBatch = { readonly sealed: number; readonly lost: readonly LostEvent[] };

/** How many events a batch has at most. */
export const BATCH_EVENTS = 1_000;

/**
 * Seals the next batch, all or nothing. Undefined when another node is at it. Errors: STORAGE_UNAVAILABLE, CONFLICT; nothing is lost by them.
 */
export function sealEvents(deps: SealEventsDeps): Promise<SealedBatch | undefined> {
  return deps.transact(async ({ sealing }) => {
    if (!(await sealing.tryLock())) return undefined;
    const { events, lost } = await sealing.take(BATCH_EVENTS);
    if (events.length === 0) return { sealed: 0, lost };
    const { number, hash: previousHash } = await sealing.head();
    const batch = {
      firstNumber: number + 1,
      ids: events.map(({ id }) => id),
      times: events.map(({ time }) => time),
      digests: joined(events.map((event) => deps.sealHash.digest(event))),
      previousHash,
      sealTime: new Date(deps.clock.now()).toISOString().replace('Z', '000Z'),
    };
    await sealing.append({ ...batch, hash: deps.sealHash.hash(batch) });
    await sealing.count(events);
    return { sealed: events.length, lost };
  });
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
