// Watches revocations as a gateway does, and keeps what it was told.

import type { Client } from '@connectrpc/connect';
import { ConnectError } from '@connectrpc/connect';
import type { AuthService, RevocationHeartbeat } from '../../gen/latchkey/v1/auth_service_pb.ts';
import type { Revocation } from '../../gen/latchkey/v1/revocation_pb.ts';
import { eventually } from './eventually.ts';
import type { Refusal } from './rpc-calls.ts';
import { readRefusal } from './rpc-calls.ts';

/** What a watcher knew before. */
export type Memory = { readonly seen: Map<string, Revocation>; cursor: string };

/** A stream under way. */
export type Watcher = {
  /** By id; the last that was told. */
  readonly seen: ReadonlyMap<string, Revocation>;
  readonly heartbeats: readonly RevocationHeartbeat[];
  /** How many messages of each kind came. */
  readonly counts: Readonly<Record<'snapshot' | 'events' | 'heartbeat', number>>;
  cursor(): string;
  /** Resolves to how the stream ended; undefined when the watcher left. */
  readonly ended: Promise<Refusal | undefined>;
  /** Goes away without a word; resolves when the stream is over here. */
  leave(): Promise<void>;
  /** Resolves when one more heartbeat has come: all that was known before has been told then. */
  upToDate(): Promise<void>;
};

/** A watcher that knows nothing yet. */
export function freshMemory(): Memory {
  return { seen: new Map(), cursor: '' };
}

/** Watches from where `memory` ends, and adds to it. `onRevocation` is told of each as it comes. */
export function watch(
  auth: Client<typeof AuthService>,
  headers: Readonly<Record<string, string>>,
  memory: Memory = freshMemory(),
  onRevocation: (id: string) => void = () => undefined,
): Watcher {
  const gone = new AbortController();
  const heartbeats: RevocationHeartbeat[] = [];
  const counts = { snapshot: 0, events: 0, heartbeat: 0 };
  const run = async () => {
    const responses = auth.watchRevocations({ cursor: memory.cursor }, { headers, signal: gone.signal });
    for await (const { message } of responses) {
      if (message.case === undefined) throw new Error('a message that says nothing');
      counts[message.case] += 1;
      if (message.case === 'heartbeat') heartbeats.push(message.value);
      else {
        for (const revocation of message.value.revocations) {
          memory.seen.set(revocation.id, revocation);
          onRevocation(revocation.id);
        }
      }
      if (message.value.cursor !== '') memory.cursor = message.value.cursor;
    }
  };
  const ended = run().then(
    () => {
      throw new Error('the stream ended without an error');
    },
    (error: unknown) => (gone.signal.aborted ? undefined : readRefusal(ConnectError.from(error))),
  );
  return {
    seen: memory.seen,
    heartbeats,
    counts,
    cursor: () => memory.cursor,
    ended,
    async leave() {
      gone.abort();
      await ended;
    },
    async upToDate() {
      const before = heartbeats.length;
      await eventually(() => heartbeats.length > before);
    },
  };
}
