// Logout, revoking one session, and logging out everywhere: at once, on every node.

import type { ActionTokenStore } from '../action-token/action-token.ts';
import type { UserStore } from '../account/user-store.ts';
import type { AuditKind, AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { AnnounceDeps } from '../revocation/announce.ts';
import { announce } from '../revocation/announce.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { Transact } from '../transactions.ts';
import type { SessionStore } from './session-store.ts';

type EndStores = {
  readonly users: Pick<UserStore, 'raiseEpochs'>;
  readonly sessions: Pick<SessionStore, 'revoke'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly audit: AuditLog;
  readonly actionTokens: Pick<ActionTokenStore, 'deleteAll'>;
};

export type EndSessionDeps = Stamp &
  AnnounceDeps & {
    readonly transact: Transact<EndStores>;
    readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
  };

export type EndSessionInput = {
  readonly userId: string;
  readonly sessionId: string;
  readonly kind: Extract<AuditKind, 'session.logout' | 'session.revoke' | 'token.revoke'>;
  readonly origin: CallOrigin;
};

/** Ends one live session of the user; false when there is none such. Errors: STORAGE_UNAVAILABLE. */
export async function endSession(deps: EndSessionDeps, input: EndSessionInput): Promise<boolean> {
  const now = deps.clock.now();
  const revoked = revocation(
    { form: 'session', id: input.sessionId },
    now,
    deps.tokenPolicy.accessTokenTtlMs,
  );
  const ended = await deps.transact(async (stores) => {
    if (!(await stores.sessions.revoke(input.sessionId, input.userId, now))) return false;
    await stores.revocations.insert(revoked);
    await stores.audit.append(
      auditEvent(deps, {
        kind: input.kind,
        outcome: 'success',
        accountId: input.userId,
        actorId: input.userId,
        targetId: input.sessionId,
        origin: input.origin,
      }),
    );
    return true;
  });
  if (ended) await announce(deps, [revoked]);
  return ended;
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
  input: { userId: string; origin: CallOrigin },
): Promise<void> {
  const revoked = await deps.transact(async (stores): Promise<Revocation | undefined> => {
    const now = deps.clock.now();
    const minVersion = await stores.users.raiseEpochs(input.userId, now);
    if (minVersion === undefined) return undefined;
    const subject = revocation(
      { form: 'subject', id: input.userId, minVersion },
      now,
      deps.tokenPolicy.accessTokenTtlMs,
    );
    await stores.revocations.insert(subject);
    await stores.actionTokens.deleteAll(input.userId, ['email_change', 'mfa_challenge']);
    await stores.audit.append(
      auditEvent(deps, {
        kind: 'session.logout_all',
        outcome: 'success',
        accountId: input.userId,
        actorId: input.userId,
        targetId: input.userId,
        origin: input.origin,
      }),
    );
    return subject;
  });
  if (revoked !== undefined) await announce(deps, [revoked]);
}
