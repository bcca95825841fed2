// RequestPasswordReset and SendEmailVerification: one and the same work for every address.

import type { EmailAddress } from '../account/email-address.ts';
import type { CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { Transact } from '../transactions.ts';
import type { LinkContent, Outbox } from './outbox.ts';

export type RequestLinkEmailDeps = Stamp & {
  readonly transact: Transact<{ readonly outbox: Outbox }>;
  readonly rateLimiter: Pick<RateLimiter, 'consume'>;
};

export type RequestLinkEmailInput = {
  readonly template: Extract<LinkContent['template'], 'password_reset' | 'verify_email'>;
  readonly email: EmailAddress;
  readonly origin: CallOrigin;
};

/**
 * Enqueues the request for an email; `prepareMail` finds out later whether the address has an account. So neither
 * answer nor time shows it (CWE-204, CWE-208). Errors: RATE_LIMITED (so many to one mailbox), STORAGE_UNAVAILABLE.
 */
export async function requestLinkEmail(
  deps: RequestLinkEmailDeps,
  input: RequestLinkEmailInput,
): Promise<void> {
  const { template, email, origin } = input;
  await deps.rateLimiter.consume('mail', 'account', email.key);
  const mail = {
    id: deps.newId(),
    to: email.text,
    content: { template, origin },
    createTime: deps.clock.now(),
  };
  await deps.transact(({ outbox }) => outbox.enqueue(mail));
}
