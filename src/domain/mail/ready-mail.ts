// Emails ready for the mail server, and the port that sends them.

import type { NoticeContent } from './outbox.ts';

/** What an email says, links and all. It is never stored: links carry tokens. */
export type ReadyContent =
  | NoticeContent
  // Any client may have sent the address: nothing in the email is the client's choice.
  | { readonly template: 'verify_email'; readonly link: string }
  | {
      readonly template: 'password_reset';
      readonly fullName: string;
      readonly ipAddress: string;
      readonly link: string;
    }
  | { readonly template: 'invitation'; readonly fullName: string; readonly link: string }
  | { readonly template: 'address_proved'; readonly fullName: string; readonly link: string }
  | { readonly template: 'forced_password_reset'; readonly fullName: string; readonly link: string }
  | { readonly template: 'email_change'; readonly ipAddress: string; readonly link: string }
  | { readonly template: 'email_change_taken'; readonly ipAddress: string };

/** An email ready to send. */
export type ReadyMail = {
  /** Its file's name, where emails become files. */
  readonly id: string;
  /** The same for each attempt, so that a mailbox that got an email twice can drop one; another for each link, or it would keep a dead one. */
  readonly messageId: string;
  readonly to: string;
  readonly content: ReadyContent;
  /** What its date is: when it was written, or when its link was made, so that of two the later one has the live link. */
  readonly time: number;
};

/**
 * Sends one email, before `signal` aborts. Errors: MailRefusedError when the server rejects it for good; any other when it could not be sent
 * now, and may be tried again.
 */
export type SendMail = (mail: ReadyMail, signal: AbortSignal) => Promise<void>;

/** The receiving side's last word about an email (RFC 5321, section 4.2.1: 5yz to its recipient or to its text). */
export class MailRefusedError extends Error {
  override readonly name = 'MailRefusedError';
}
