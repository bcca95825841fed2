// Mail leaves through an outbox: written in the transaction of its cause, delivered afterwards.

import type { CallOrigin } from '../audit/audit-event.ts';

/**
 * Emails that are prepared when they are due: whether the address has an account, and the token in the link, are known only then. So the
 * call that asks for one does the same for every address, and no token is kept anywhere.
 */
export type LinkContent =
  /** Carries a link that proves the address it goes to. Emails of version 0.1 do not say who asked. */
  | { readonly template: 'verify_email'; readonly origin?: CallOrigin }
  /** Carries a link that sets a new password, when the address has an account by the time it is sent. */
  | { readonly template: 'password_reset'; readonly origin: CallOrigin }
  /** Carries a link that sets the first password of an account that an administrator has opened. */
  | { readonly template: 'invitation'; readonly userId: string }
  /** Carries a link that sets a new password in the place of one that an administrator has removed. */
  | { readonly template: 'forced_password_reset'; readonly userId: string }
  /** Carries a link that sets a password in the place of one that ended when the address was proved. */
  | { readonly template: 'address_proved'; readonly userId: string }
  /** Goes to the new address and carries a link; to an address that is taken goes a word to its owner instead. */
  | {
      readonly template: 'email_change';
      readonly userId: string;
      /** The epoch of the credential that asked; version 0.1 did not store it. */
      readonly version?: number;
      readonly origin: CallOrigin;
    };

/** Emails whose text is fixed when they are enqueued. */
export type NoticeContent =
  | {
      readonly template: 'email_changed';
      readonly fullName: string;
      readonly newEmail: string;
      readonly ipAddress: string;
    }
  | {
      readonly template: 'email_changed_by_administrator';
      readonly fullName: string;
      readonly newEmail: string;
    }
  | {
      readonly template: 'password_changed';
      readonly fullName: string;
      readonly ipAddress: string;
      /** Whether the API keys ended too; version 0.1 did not store it, and ended none. */
      readonly hasEndedKeys?: boolean;
      /** Whether this was the first proof of the address, which ended whatever was set up before. */
      readonly isFirstProof?: boolean;
    }
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
  | { readonly template: 'mfa_reset'; readonly fullName: string }
  | { readonly template: 'account_deleted'; readonly fullName: string }
  | { readonly template: 'register_taken'; readonly ipAddress: string }
  | {
      readonly template: 'session_theft';
      readonly fullName: string;
      readonly deviceName: string;
      readonly ipAddress: string;
    };

/** Which template, with its values. */
export type EmailContent = LinkContent | NoticeContent;

/** An email in the outbox. */
export type OutgoingMail = {
  readonly id: string;
  readonly to: string;
  readonly content: EmailContent;
  readonly createTime: number;
};

/** The domain of an address, in lower case. */
export function mailDomain(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}

/** Puts mail into the outbox. */
export type Outbox = { enqueue(mail: OutgoingMail): Promise<void> };

/** An email that a sender has taken: no other sender sees it until the lease ends. `attempts` is the number of the lease. */
export type LeasedMail = OutgoingMail & { readonly attempts: number };

/** Which lease of which email. */
export type MailLease = Pick<LeasedMail, 'id' | 'attempts'>;

/** Recipients that no more emails are leased for now: mailboxes, and domains in lower case. */
export type BusyRecipients = { readonly mailboxes: readonly string[]; readonly domains: readonly string[] };

/** The sender's side of the outbox. An email that was sent, dropped or given up stays so, whatever a sender says later. */
export type OutboxQueue = {
  /** Takes up to `limit` emails that are due at `now` and not for recipients in `busy`, each leased until `leaseUntil`. */
  lease(
    now: number,
    leaseUntil: number,
    limit: number,
    busy?: BusyRecipients,
  ): Promise<readonly LeasedMail[]>;
  /** Whichever sender has the lease by now: sent is sent. */
  markSent(id: string, now: number): Promise<void>;
  /** Due again at `nextAttempt`; never again (state `dead`) when undefined. Does nothing when the email has been leased again since. */
  markFailed(lease: MailLease, error: string, nextAttempt: number | undefined): Promise<void>;
  /** Never sent: its reason is gone. Does nothing when the email has been leased again since. */
  markDropped(lease: MailLease): Promise<void>;
};
