// Watches the audit log as a SIEM does, and keeps what it received.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import { ConnectError } from '@connectrpc/connect';
import type { AdminService } from '../../gen/latchkey/v1/admin_service_pb.ts';
import type { AuditEvent, AuditFilterSchema } from '../../gen/latchkey/v1/audit_event_pb.ts';
import { eventually } from './eventually.ts';
import type { Refusal } from './rpc-calls.ts';
import { readRefusal } from './rpc-calls.ts';

/** What a watcher received, in order, and where it resumes. */
export type AuditProgress = { readonly seen: AuditEvent[]; cursor: string };

/** A stream under way. */
export type AuditWatcher = {
  readonly seen: readonly AuditEvent[];
  cursor(): string;
  /** How many answers came. */
  answers(): number;
  /** Resolves at the first answer. */
  begun(): Promise<void>;
  /** Resolves to how the stream ended; undefined when the watcher left. */
  readonly ended: Promise<Refusal | undefined>;
  /** Goes away without a word; resolves when the stream is over here. */
  leave(): Promise<void>;
};

/** A watcher that knows nothing yet. */
export function newAuditProgress(): AuditProgress {
  return { seen: [], cursor: '' };
}

/** Watches from where `progress` ends, and adds to it. */
export function watchAudit(
  admin: Client<typeof AdminService>,
  headers: Readonly<Record<string, string>>,
  progress: AuditProgress = newAuditProgress(),
  filter: MessageInitShape<typeof AuditFilterSchema> = {},
): AuditWatcher {
  const gone = new AbortController();
  let answers = 0;
  const run = async () => {
    const responses = admin.watchAuditEvents(
      { cursor: progress.cursor, filter },
      { headers, signal: gone.signal },
    );
    for await (const { events, cursor } of responses) {
      progress.seen.push(...events);
      progress.cursor = cursor;
      answers += 1;
    }
  };
  const ended = run().then(
    () => {
      throw new Error('the stream ended without an error');
    },
    (error: unknown) => (gone.signal.aborted ? undefined : readRefusal(ConnectError.from(error))),
  );
  return {
    seen: progress.seen,
    cursor: () => progress.cursor,
    answers: () => answers,
    begun: async () => {
      await eventually(() => answers > 0);
    },
    ended,
    async leave() {
      gone.abort();
      await ended;
    },
  };
}
