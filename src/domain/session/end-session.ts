// Logout, revoking one session, and logging out everywhere: at once, on every node.

import { BEGUN_PURPOSES } from '../action-token/action-token.ts';
import type { AuditKind, AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { Transact } from '../transactions.ts';
import type { EndKeysStores } from './end-credentials.ts';
import { endCredentials, endCredentialsAndKeys, keysEnded } from './end-credentials.ts';
import type { SessionStore } from './session-store.ts';

/** Where sessions are ended. */
export type EndSessionStores = EndKeysStores & {
  readonly sessions: Pick<SessionStore, 'revoke'>;
  readonly audit: AuditLog;
};

/** What sessions are ended by, in a transaction of the caller's. */
export type EndWithinDeps = Stamp & { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> };

export type EndSessionDeps = EndWithinDeps &
  PublishRevocationsDeps & { readonly transact: Transact<EndSessionStores> };

export type EndSessionInput = {
  readonly userId: string;
  readonly sessionId: string;
  readonly kind: Extract<AuditKind, 'session.logout' | 'session.revoke' | 'token.revoke'>;
  readonly origin: CallOrigin;
};

/** Who ends the sessions: their owner or an administrator. */
type By = { readonly actorId: string | undefined };

/**
 * Ends one session of the user with every token of it, also one that has expired; false when there is none such, or it was revoked before.
 * Errors: STORAGE_UNAVAILABLE.
 */
export async function endSession(deps: EndSessionDeps, input: EndSessionInput): Promise<boolean> {
  const ended = await deps.transact((stores) =>
    endSessionWithin(deps, stores, { ...input, actorId: input.userId }),
  );
  await publishRevocations(deps, ended);
  return ended.length > 0;
}

/** As `endSession`, in a transaction of the caller's, who publishes the answer after the commit; it is empty when there is none such. */
export async function endSessionWithin(
  deps: EndWithinDeps,
  stores: EndSessionStores,
  { userId, sessionId, kind, actorId, origin }: EndSessionInput & By,
): Promise<readonly Revocation[]> {
  const now = deps.clock.now();
  const isFirst = await stores.sessions.revoke(sessionId, userId, now);
  // Who logs out shows a token that is valid now: it ends, also when its session ended before it, or has no row any more.
  if (!isFirst && kind !== 'session.logout') return [];
  const revoked = revocation({ form: 'session', id: sessionId }, now, deps.tokenPolicy.accessTokenTtlMs);
  const kept = await stores.revocations.insert(revoked);
  if (!isFirst) return [kept];
  const who = { accountId: userId, targetId: sessionId, ...(actorId === undefined ? {} : { actorId }) };
  await stores.audit.append(auditEvent(deps, { kind, outcome: 'success', ...who, origin }));
  return [kept];
}

/** Ends one of the user's own sessions. Errors: SESSION_NOT_FOUND, also for another's session and for one that was revoked. */
export async function revokeSession(
  deps: EndSessionDeps,
  input: Omit<EndSessionInput, 'kind'>,
): Promise<void> {
  if (await endSession(deps, { ...input, kind: 'session.revoke' })) return;
  throw new DomainError('SESSION_NOT_FOUND', 'You have no session with this id that could be ended.');
}

export type LogoutAllInput = {
  readonly userId: string;
  readonly revokeApiKeys: boolean;
  readonly origin: CallOrigin;
};

/**
 * Ends every session and every token of the user, at a cost that does not grow with their number; and what one of them may have begun: a change
 * of address, a login that waits for its second factor. API keys live on unless `revokeApiKeys`.
 */
export async function logoutAll(deps: EndSessionDeps, input: LogoutAllInput): Promise<void> {
  const ended = await deps.transact((stores) =>
    logoutAllWithin(deps, stores, { ...input, actorId: input.userId }),
  );
  await publishRevocations(deps, ended);
}

/** As `logoutAll`, in a transaction of the caller's, who publishes the answer after the commit. */
export async function logoutAllWithin(
  deps: EndWithinDeps,
  stores: EndSessionStores,
  { userId, revokeApiKeys, actorId, origin }: LogoutAllInput & By,
): Promise<readonly Revocation[]> {
  const now = deps.clock.now();
  const ending = revokeApiKeys ? endCredentialsAndKeys : endCredentials;
  const ended = await ending(deps, stores, { userId, purposes: BEGUN_PURPOSES, now });
  if (ended.length === 0) return [];
  const who = { accountId: userId, targetId: userId, ...(actorId === undefined ? {} : { actorId }) };
  await stores.audit.append(
    auditEvent(deps, {
      kind: 'session.logout_all',
      outcome: 'success',
      ...who,
      origin,
      ...keysEnded(revokeApiKeys),
    }),
  );
  return ended;
}
