// How audit events are sealed: each has a digest, each batch a hash over its digests and the hash of the batch before.

/** An event as it stands in the database, every column of it; what is absent is null. */
export type EventRecord = {
  readonly id: string;
  /** `2026-11-01T00:00:00.000000Z`: UTC, to the microsecond, as the database keeps it. */
  readonly time: string;
  readonly kind: string;
  readonly outcome: string;
  readonly reason: string | null;
  readonly accountId: string | null;
  readonly actorId: string | null;
  readonly targetId: string | null;
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly requestId: string;
  /** JSON, its keys in any order. */
  readonly details: string | null;
};

/** A batch of events that are sealed together; event n of it has the number `firstNumber + n`. */
export type Batch = {
  readonly firstNumber: number;
  readonly ids: readonly string[];
  /** Written like EventRecord's. */
  readonly times: readonly string[];
  /** 32 bytes an event, one behind the other. */
  readonly digests: Uint8Array;
  readonly previousHash: Uint8Array;
  readonly sealTime: string;
};

/** A sealed batch. */
export type Seal = Batch & { readonly hash: Uint8Array };

/** The end of the chain. */
export type ChainHead = { readonly number: number; readonly hash: Uint8Array };

/** Computes digests and hashes, each of DIGEST_LENGTH bytes; without the key no hash can be made. */
export type SealHash = {
  digest(event: EventRecord): Uint8Array;
  hash(batch: Batch): Uint8Array;
};

/** Bytes of a digest and of a hash. */
export const DIGEST_LENGTH = 32;

/** Before the first batch. */
export const CHAIN_START: ChainHead = { number: 0, hash: new Uint8Array(DIGEST_LENGTH) };

/** The number of the last event of a batch. */
export function lastNumberOf({ firstNumber, ids }: Pick<Batch, 'firstNumber' | 'ids'>): number {
  return firstNumber + ids.length - 1;
}
