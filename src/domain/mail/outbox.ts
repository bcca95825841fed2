// Mail leaves through an outbox: written in the transaction of its cause, delivered afterwards.

/** Which letter, with what the letter says. */
export type Letter =
  /** Carries a link that proves the address it goes to. */
  | { readonly template: 'verify_email'; readonly fullName: string }
  /** Carries a link that sets a new password, when the address has an account by the time it is sent. */
  | { readonly template: 'password_reset'; readonly ipAddress: string }
  /** Goes to the new address and carries a link; to an address that is taken goes a word to its owner instead. */
  | { readonly template: 'email_change'; readonly userId: string; readonly ipAddress: string }
  | {
      readonly template: 'email_changed';
      readonly fullName: string;
      readonly newEmail: string;
      readonly ipAddress: string;
    }
  | { readonly template: 'password_changed'; readonly fullName: string; readonly ipAddress: string }
  | { readonly template: 'account_locked'; readonly fullName: string; readonly ipAddress: string }
  | {
      readonly template: 'new_device';
      readonly fullName: string;
      readonly deviceName: string;
      readonly userAgent: string;
      readonly ipAddress: string;
    }
  | { readonly template: 'mfa_enabled'; readonly fullName: string; readonly ipAddress: string }
  | { readonly template: 'mfa_disabled'; readonly fullName: string; readonly ipAddress: string }
  | { readonly template: 'account_deleted'; readonly fullName: string }
  | { readonly template: 'register_taken'; readonly ipAddress: string }
  | {
      readonly template: 'session_theft';
      readonly fullName: string;
      readonly deviceName: string;
      readonly ipAddress: string;
    };

/** A letter on its way. */
export type OutgoingMail = {
  readonly id: string;
  readonly to: string;
  readonly letter: Letter;
  readonly createTime: number;
};

/** Puts mail into the outbox. */
export type Outbox = { enqueue(mail: OutgoingMail): Promise<void> };

/** A letter that a sender has taken: no other sender sees it until the lease ends. */
export type LeasedMail = OutgoingMail & { readonly attempts: number };

/** The sender's side of the outbox. */
export type OutboxQueue = {
  /** Takes up to `limit` letters that are due at `now`, each leased until `leaseUntil`. */
  lease(now: number, leaseUntil: number, limit: number): Promise<readonly LeasedMail[]>;
  markSent(id: string, now: number): Promise<void>;
  /** Due again at `nextAttempt`; never again (dead letter) when undefined. */
  markFailed(id: string, error: string, nextAttempt: number | undefined): Promise<void>;
};
