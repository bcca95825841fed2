// VerifyEmail: an address is proved by a link that was mailed to it.

import type { ActionToken, ActionTokenStore } from '../action-token/action-token.ts';
import type { PresentedFor, PresentTokenDeps } from '../action-token/present-token.ts';
import { payloadText, presentToken, refuseToken, tokenInvalid } from '../action-token/present-token.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import { codeCounter } from '../lockout/failure-counter.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Transact } from '../transactions.ts';
import { emailKey } from './email-address.ts';
import type { EmailStore } from './email-store.ts';
import type { FirstProofDeps, FirstProofStores } from './first-proof.ts';
import { endUnproved } from './first-proof.ts';
import type { ProvePasswordDeps } from '../password/prove-password.ts';
import { provePassword } from '../password/prove-password.ts';
import type { UserStore } from './user-store.ts';
import type { User, UserWithPassword } from './user.ts';

type VerifyStores = FirstProofStores & {
  readonly emails: Pick<EmailStore, 'lockById' | 'markVerified'>;
  readonly actionTokens: Pick<ActionTokenStore, 'use' | 'deleteAll'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type VerifyEmailDeps = PresentTokenDeps &
  ProvePasswordDeps &
  FirstProofDeps &
  PublishRevocationsDeps & {
    readonly users: Pick<UserStore, 'findWithPassword'>;
    readonly rateLimiter: Pick<RateLimiter, 'consume'>;
    readonly transact: Transact<VerifyStores>;
  };

export type VerifyEmailInput = {
  readonly token: string;
  /** The account's, as a sign that the reader of the mailbox made the account; undefined when it is not shown. */
  readonly password: string | undefined;
  /** The account that the call is logged in to; undefined when it is to none. */
  readonly callerId: string | undefined;
  readonly origin: CallOrigin;
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal;
};

export type EmailProof = {
  /** The account is left without a password; a link that sets one was mailed. */
  readonly mustSetPassword: boolean;
};

/**
 * Notes that the address is proved, while it is still the account's. Every reader of the mailbox may call: no session is needed, none is opened. The
 * first proof ends whatever was made on the account before (`endUnproved`), unless the caller shows the account's password or is logged in to
 * it: then it was made by the person who proves the address. A second use of the token changes nothing and succeeds. Errors: TOKEN_INVALID (also for
 * an account that is not active or has another address now), TOKEN_EXPIRED, INVALID_CREDENTIALS and ACCOUNT_LOCKED (of the password; nothing is
 * used up), RATE_LIMITED, OVERLOADED, STORAGE_UNAVAILABLE.
 */
export async function verifyEmail(deps: VerifyEmailDeps, input: VerifyEmailInput): Promise<EmailProof> {
  const { origin } = input;
  const context = { purpose: 'email_verification', kind: 'account.email_verification', origin } as const;
  const token = await presentToken(deps, input.token, context);
  const user = await deps.users.findWithPassword(token.userId);
  if (user === undefined || !isFor(token, user)) return refuseToken(deps, token, context, tokenInvalid());
  if (token.useTime !== undefined) return provedBefore(deps, token, context, user);
  const isKept = await isMaker(deps, input, user);
  const outcome = await deps.transact((stores: VerifyStores) => prove(deps, stores, token, origin, isKept));
  if (outcome === 'refused') return refuseToken(deps, token, context, tokenInvalid());
  if (outcome === 'used') {
    const now = await deps.users.findWithPassword(token.userId);
    return provedBefore(deps, token, context, now);
  }
  await publishRevocations(deps, outcome);
  return { mustSetPassword: !isKept || user.passwordHash === undefined };
}

function isFor(token: ActionToken, user: User): boolean {
  return user.status === 'active' && payloadText(token, 'emailKey') === emailKey(user.email);
}

async function provedBefore(
  deps: VerifyEmailDeps,
  token: ActionToken,
  context: PresentedFor,
  user: UserWithPassword | undefined,
): Promise<EmailProof> {
  if (user?.emailVerified !== true) return refuseToken(deps, token, context, tokenInvalid());
  return { mustSetPassword: user.passwordHash === undefined };
}

// Whether what stands on the account was made by the person who proves its address.
async function isMaker(
  deps: VerifyEmailDeps,
  { password, callerId, origin, signal }: VerifyEmailInput,
  user: UserWithPassword,
): Promise<boolean> {
  if (user.emailVerified || callerId === user.id) return true;
  if (password === undefined) return false;
  await deps.rateLimiter.consume('login', 'account', emailKey(user.email));
  const event = { kind: 'account.email_verification', origin } as const;
  await provePassword(deps, { user, counter: codeCounter(user), event }, password, signal);
  return true;
}

// First the account, then the token, as everywhere: two that wait for each other would be a deadlock.
async function prove(
  deps: VerifyEmailDeps,
  stores: VerifyStores,
  token: ActionToken,
  origin: CallOrigin,
  isKept: boolean,
): Promise<readonly Revocation[] | 'refused' | 'used'> {
  const now = deps.clock.now();
  const { userId } = token;
  const user = await stores.emails.lockById(userId);
  if (user === undefined || !isFor(token, user)) return 'refused';
  if ((await stores.actionTokens.use('email_verification', token, now)) === undefined) return 'used';
  const proof = await stores.emails.markVerified(userId, emailKey(user.email), now);
  const account = { accountId: userId, targetId: userId };
  const kind = 'account.email_verification';
  await stores.audit.append(auditEvent(deps, { kind, outcome: 'success', origin, ...account }));
  if (proof !== 'first' || isKept) return [];
  const revoked = await endUnproved(deps, stores, { user, setsPassword: false, origin });
  const content = { template: 'address_proved', userId } as const;
  await stores.outbox.enqueue({ id: deps.newId(), to: user.email, content, createTime: now });
  return revoked;
}
