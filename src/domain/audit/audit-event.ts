// What is written down for the auditor: who did what to whom, from where, and how it ended.

/** Kinds of event, `<concept>.<what happened>`. */
export type AuditKind =
  | 'account.register'
  | 'account.register_taken'
  | 'session.login'
  | 'session.logout'
  | 'session.logout_all'
  | 'session.revoke'
  | 'session.refresh_reuse'
  | 'token.revoke'
  | 'api_key.create'
  | 'api_key.revoke'
  | 'signing_key.create'
  | 'instance.bootstrap';

/** Where a call came from. */
export type CallOrigin = {
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly requestId: string;
};

/** One event. It never holds a secret; `details` are short facts for a reader. */
export type AuditEvent = {
  readonly id: string;
  readonly time: number;
  readonly kind: AuditKind;
  readonly outcome: 'success' | 'refused';
  /** The ErrorReason of a refusal. */
  readonly reason?: string;
  readonly actorId?: string;
  readonly targetId?: string;
  readonly origin: CallOrigin;
  readonly details?: Readonly<Record<string, string>>;
};

/** Appends events. Inside a transaction the event is kept exactly when the act is. */
export type AuditLog = { append(event: AuditEvent): Promise<void> };
