// Logout, revoking one session, and logging out everywhere: at once, on every node.

import { BEGUN_PURPOSES } from '../action-token/action-token.ts';
import type { AuditKind, AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { AnnounceDeps } from '../revocation/announce.ts';
import { announce } from '../revocation/announce.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { Transact } from '../transactions.ts';
import type { EndCredentialsStores } from './end-credentials.ts';
import { endCredentials } from './end-credentials.ts';
import type { SessionStore } from './session-store.ts';

/** Where sessions are ended. */
export type EndSessionStores = EndCredentialsStores & {
  readonly sessions: Pick<SessionStore, 'revoke'>;
  readonly audit: AuditLog;
};

/** What sessions are ended by, in a transaction of the caller's. */
export type EndWithinDeps = Stamp & { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> };

export type EndSessionDeps = EndWithinDeps & AnnounceDeps & { readonly transact: Transact<EndSessionStores> };

export type EndSessionInput = {
  readonly userId: string;
  readonly sessionId: string;
  readonly kind: Extract<AuditKind, 'session.logout' | 'session.revoke' | 'token.revoke'>;
  readonly origin: CallOrigin;
};

/** Who ends the sessions: their owner or an administrator. */
type By = { readonly actorId: string | undefined };

/** Ends one live session of the user; false when there is none such. Errors: STORAGE_UNAVAILABLE. */
export async function endSession(deps: EndSessionDeps, input: EndSessionInput): Promise<boolean> {
  const ended = await deps.transact((stores) =>
    endSessionWithin(deps, stores, { ...input, actorId: input.userId }),
  );
  await announce(deps, ended);
  return ended.length > 0;
}

/** As `endSession`, in a transaction of the caller's, who announces the answer after the commit; it is empty when there is none such. */
export async function endSessionWithin(
  deps: EndWithinDeps,
  stores: EndSessionStores,
  { userId, sessionId, kind, actorId, origin }: EndSessionInput & By,
): Promise<readonly Revocation[]> {
  const now = deps.clock.now();
  if (!(await stores.sessions.revoke(sessionId, userId, now))) return [];
  const revoked = revocation({ form: 'session', id: sessionId }, now, deps.tokenPolicy.accessTokenTtlMs);
  const kept = await stores.revocations.insert(revoked);
  const who = { accountId: userId, targetId: sessionId, ...(actorId === undefined ? {} : { actorId }) };
  await stores.audit.append(auditEvent(deps, { kind, outcome: 'success', ...who, origin }));
  return [kept];
}

/** Ends one of the user's own sessions. Errors: SESSION_NOT_FOUND, also for another's session and for one that has ended. */
export async function revokeSession(
  deps: EndSessionDeps,
  input: Omit<EndSessionInput, 'kind'>,
): Promise<void> {
  if (await endSession(deps, { ...input, kind: 'session.revoke' })) return;
  throw new DomainError('SESSION_NOT_FOUND', 'You have no live session with this id.');
}

/**
 * Ends every session and every token of the user, at a cost that does not grow with their number; and what one of them may have begun: a change
 * of address, a login that waits for its second factor. API keys live on.
 */
export async function logoutAll(
  deps: EndSessionDeps,
  input: { readonly userId: string; readonly origin: CallOrigin },
): Promise<void> {
  const ended = await deps.transact((stores) =>
    logoutAllWithin(deps, stores, { ...input, actorId: input.userId }),
  );
  await announce(deps, ended);
}

/** As `logoutAll`, in a transaction of the caller's, who announces the answer after the commit. */
export async function logoutAllWithin(
  deps: EndWithinDeps,
  stores: EndSessionStores,
  { userId, actorId, origin }: { readonly userId: string; readonly origin: CallOrigin } & By,
): Promise<readonly Revocation[]> {
  const now = deps.clock.now();
  const ended = await endCredentials(deps, stores, { userId, purposes: BEGUN_PURPOSES, now });
  if (ended.length === 0) return [];
  const who = { accountId: userId, targetId: userId, ...(actorId === undefined ? {} : { actorId }) };
  await stores.audit.append(
    auditEvent(deps, { kind: 'session.logout_all', outcome: 'success', ...who, origin }),
  );
  return ended;
}
