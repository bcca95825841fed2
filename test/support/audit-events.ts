// Audit events for tests, and their sealing.

import { newId } from '../../src/crypto/ids.ts';
import { sealHash } from '../../src/crypto/seal-hash.ts';
import type { AuditEvent } from '../../src/domain/audit/audit-event.ts';
import type { SealedBatch } from '../../src/domain/audit/seal-events.ts';
import { sealEvents } from '../../src/domain/audit/seal-events.ts';
import type { TestStores } from './databases.ts';
import { NOW, ORIGIN } from './samples.ts';

/** What tests seal by. */
export const SEAL_HASH = sealHash(new Uint8Array(32).fill(7));

/** A new event; a login by default. */
export function sampleEvent(change: Partial<AuditEvent> = {}): AuditEvent {
  return { id: newId(), time: NOW, kind: 'session.login', outcome: 'success', origin: ORIGIN, ...change };
}

/** Seals one batch. */
export function sealOnce({ transact }: TestStores, now = NOW): Promise<SealedBatch | undefined> {
  return sealEvents({ transact, sealHash: SEAL_HASH, clock: { now: () => now } });
}

/** Appends the events and seals all that waits. */
export async function appendAndSeal(db: TestStores, events: readonly AuditEvent[]): Promise<void> {
  for (const event of events) await db.stores.audit.append(event);
  while ((await sealOnce(db))?.sealed !== 0);
}
