// An audit event as it is read back: of this version or of another.

import type { CallOrigin } from './audit-event.ts';

/** A stored event. Times are epoch milliseconds. */
export type StoredAuditEvent = {
  readonly id: string;
  readonly time: number;
  /** An AuditKind of this version or of another. */
  readonly kind: string;
  readonly outcome: 'success' | 'refused';
  /** The ErrorReason of a refusal. */
  readonly reason: string | undefined;
  readonly actorId: string | undefined;
  readonly targetId: string | undefined;
  /** The account that it happened to. */
  readonly accountId: string | undefined;
  readonly origin: CallOrigin;
  readonly details: Readonly<Record<string, string>> | undefined;
};
