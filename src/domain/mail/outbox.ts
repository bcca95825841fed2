// Mail leaves through an outbox: written in the transaction of its cause, delivered afterwards.

/** Which letter, with what the letter says. */
export type Letter =
  | { readonly template: 'welcome'; readonly fullName: string }
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
