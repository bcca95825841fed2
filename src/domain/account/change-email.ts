// StartEmailChange and ConfirmEmailChange: another address, which counts once its mailbox has answered.

import type { ActionTokenStore } from '../action-token/action-token.ts';
import { MAILED_PURPOSES } from '../action-token/action-token.ts';
import type { PresentTokenDeps } from '../action-token/present-token.ts';
import { payloadText, presentToken, refuseToken, tokenInvalid } from '../action-token/present-token.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError, validationFailed } from '../errors.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { ProvenInput, ProvePersonDeps, SettleStores } from '../mfa/prove-person.ts';
import { actAsPerson, personAttempt } from '../mfa/prove-person.ts';
import type { Transact } from '../transactions.ts';
import type { EmailAddress } from './email-address.ts';
import { emailKey } from './email-address.ts';
import type { EmailStore } from './email-store.ts';
import type { UserStore } from './user-store.ts';
import type { User } from './user.ts';

type StartStores = SettleStores & {
  readonly emails: Pick<EmailStore, 'lockById'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type StartEmailChangeDeps = ProvePersonDeps & {
  readonly users: Pick<UserStore, 'findWithPassword'>;
  readonly transact: Transact<StartStores>;
  readonly rateLimiter: Pick<RateLimiter, 'consume'>;
};

export type StartEmailChangeInput = ProvenInput & {
  /** The epoch of the caller's credential: once that has ended, so has what it asked for. */
  readonly version: number;
  readonly newEmail: EmailAddress;
};

/**
 * Asks for an email to the new address, for a caller who proves to be the person: a session alone would be enough to take the account over, since a new
 * address resets the password. A taken address is answered like a free one: `prepareMail` notifies its owner instead. Errors: VALIDATION_FAILED when
 * the account has this address already, RATE_LIMITED (so many to one mailbox), USER_NOT_FOUND, those of `actAsPerson`.
 */
export async function startEmailChange(
  deps: StartEmailChangeDeps,
  input: StartEmailChangeInput,
): Promise<void> {
  const { userId, version, newEmail, origin } = input;
  const attempt = await personAttempt(deps, input, 'account.email_change_request');
  if (emailKey(attempt.user.email) === newEmail.key) {
    throw validationFailed([
      { field: 'new_email', description: 'must be another address than your present one' },
    ]);
  }
  await deps.rateLimiter.consume('mail', 'account', newEmail.key);
  await actAsPerson(deps, attempt, input, async ({ emails, audit, outbox }: StartStores, settle) => {
    await emails.lockById(userId);
    await settle(deps.clock.now());
    const account = { accountId: userId, actorId: userId, targetId: userId };
    await audit.append(
      auditEvent(deps, { kind: 'account.email_change_request', outcome: 'success', origin, ...account }),
    );
    const content = { template: 'email_change', userId, version, origin } as const;
    await outbox.enqueue({ id: deps.newId(), to: newEmail.text, content, createTime: deps.clock.now() });
  });
}

type ConfirmStores = {
  readonly emails: Pick<EmailStore, 'lockById' | 'replace'>;
  readonly actionTokens: Pick<ActionTokenStore, 'use' | 'deleteAll'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type ConfirmEmailChangeDeps = PresentTokenDeps & { readonly transact: Transact<ConfirmStores> };

export type ConfirmEmailChangeInput = {
  readonly userId: string;
  readonly token: string;
  readonly origin: CallOrigin;
};

/**
 * Gives the account its new address, ends the links that went to the old one, and notifies the old one. Only the account that asked may confirm:
 * the reader of a mistyped address's mail must not take the account over. A second use of the token changes nothing and succeeds while the
 * account has this address. Errors: TOKEN_INVALID, TOKEN_EXPIRED, EMAIL_TAKEN when another
 * account got the address meanwhile, STORAGE_UNAVAILABLE.
 */
export async function confirmEmailChange(
  deps: ConfirmEmailChangeDeps,
  { userId, token: text, origin }: ConfirmEmailChangeInput,
): Promise<User> {
  const context = { purpose: 'email_change', kind: 'account.email_change', origin, userId } as const;
  const token = await presentToken(deps, text, context);
  const email = { text: payloadText(token, 'email') ?? '', key: payloadText(token, 'emailKey') ?? '' };
  const changed = await deps.transact(async (stores) => {
    const now = deps.clock.now();
    const user = await stores.emails.lockById(userId);
    if (user?.status !== 'active') throw tokenInvalid();
    if ((await stores.actionTokens.use('email_change', token, now)) === undefined)
      return changedBefore(user, email.key);
    if ((await stores.emails.replace(userId, email, now)) === 'taken') return undefined;
    await stores.actionTokens.deleteAll(userId, MAILED_PURPOSES);
    const account = { accountId: userId, actorId: userId, targetId: userId };
    await stores.audit.append(
      auditEvent(deps, { kind: context.kind, outcome: 'success', origin, ...account }),
    );
    const { fullName, email: oldEmail } = user;
    const content = {
      template: 'email_changed',
      fullName,
      newEmail: email.text,
      ipAddress: origin.ipAddress,
    } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to: oldEmail, content, createTime: now });
    return { ...user, email: email.text, emailVerified: true, updateTime: now };
  });
  return changed ?? refuseToken(deps, token, context, emailTaken());
}

function changedBefore(user: User, key: string): User {
  if (emailKey(user.email) === key) return user;
  throw tokenInvalid();
}

function emailTaken(): DomainError {
  return new DomainError('EMAIL_TAKEN', 'Another account has this address now.', {
    violations: [{ field: 'token', description: 'proves an address that another account has now' }],
  });
}
