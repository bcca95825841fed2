// The digests and hashes of the sealed audit log, and the very bytes that they are made of.

import { createHmac, createSecretKey, hash } from 'node:crypto';
import type { Batch, EventRecord, SealHash } from '../domain/audit/seal.ts';

/** Hashes under a key that is not derivable from the database alone (HMAC, RFC 2104, over SHA-256). */
export function sealHash(key: Uint8Array): SealHash {
  const secretKey = createSecretKey(key);
  return {
    digest: (event) => hash('sha256', eventText(event), 'buffer'),
    hash: (batch) => createHmac('sha256', secretKey).update(batchText(batch)).digest(),
  };
}

/**
 * What an event's digest is made of: a JSON array (RFC 8259), in UTF-8 and without spaces, of a tag and every column in this order. No two
 * events have the same text, and one event has one, whatever the order of the keys in `details`.
 */
export function eventText(event: EventRecord): string {
  return JSON.stringify([
    'latchkey audit event 1',
    event.id,
    event.time,
    event.kind,
    event.outcome,
    event.reason,
    event.accountId,
    event.actorId,
    event.targetId,
    event.ipAddress,
    event.userAgent,
    event.requestId,
    // In an array of its own: absent is not the JSON null.
    event.details === null ? [] : [inOrder(JSON.parse(event.details))],
  ]);
}

/** What a batch's hash is made of: as `eventText`; bytes are in lower-case hexadecimal. */
export function batchText(batch: Batch): string {
  return JSON.stringify([
    'latchkey audit batch 1',
    hex(batch.previousHash),
    batch.firstNumber,
    batch.ids.length,
    batch.ids,
    batch.times,
    hex(batch.digests),
    batch.sealTime,
  ]);
}

// Keys by their code units, those like whole numbers first (ECMA-262, OrdinaryOwnPropertyKeys).
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, entry]) => [key, inOrder(entry)] as const);
  return Object.fromEntries(entries.toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
