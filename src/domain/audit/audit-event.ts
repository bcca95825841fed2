// What is written down for the auditor: who did what to whom, from where, and how it ended.

/** Kinds of event, `<concept>.<what happened>`. */
export type AuditKind =
  | 'access.refuse'
  | 'account.register'
  | 'account.register_taken'
  | 'account.locked'
  | 'account.update'
  | 'account.export'
  | 'account.delete'
  | 'account.create'
  | 'account.import'
  | 'account.role_change'
  | 'account.suspend'
  | 'account.reactivate'
  | 'account.unlock'
  | 'account.force_password_reset'
  | 'account.invitation'
  | 'account.password_change'
  | 'account.password_reset_request'
  | 'account.password_reset'
  | 'account.email_verification_request'
  | 'account.email_verification'
  | 'account.first_proof'
  | 'account.email_change_request'
  | 'account.email_change'
  | 'mfa.enroll'
  | 'mfa.enable'
  | 'mfa.disable'
  | 'mfa.reset'
  | 'mfa.backup_codes'
  | 'session.mfa_challenge'
  | 'session.verify_mfa'
  | 'session.login'
  | 'session.reauthenticate'
  | 'session.logout'
  | 'session.logout_all'
  | 'session.revoke'
  | 'session.refresh_reuse'
  | 'token.revoke'
  | 'api_key.create'
  | 'api_key.rotate'
  | 'api_key.update'
  | 'api_key.exchange'
  | 'api_key.revoke'
  | 'service_account.create'
  | 'service_account.delete'
  | 'role.upsert'
  | 'role.delete'
  | 'signing_key.create'
  | 'signing_key.rotate'
  | 'signing_key.retire'
  | 'master_key.rotate'
  | 'audit.export'
  | 'audit.retire'
  | 'instance.bootstrap';

/** Where a call came from. */
export type CallOrigin = {
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly requestId: string;
  /** The API key behind the call. An event names it among its details, as `api_key`. */
  readonly apiKeyId?: string;
};

/** One event. It never holds a secret; `details` are short facts for a reader. */
export type AuditEvent = {
  readonly id: string;
  readonly time: number;
  readonly kind: AuditKind;
  readonly outcome: 'success' | 'refused';
  /** The ErrorReason of a refusal. */
  readonly reason?: string;
  /** The account that it happened to, whose owner may read it. */
  readonly accountId?: string;
  readonly actorId?: string;
  readonly targetId?: string;
  readonly origin: CallOrigin;
  readonly details?: Readonly<Record<string, string>>;
};

/** Appends events, each id once. Inside a transaction the event is kept exactly when the act is. */
export type AuditLog = { append(event: AuditEvent): Promise<void> };
