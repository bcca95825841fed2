// RevokeUserSessions: an administrator ends one session of an account, or all.

import { DomainError } from '../errors.ts';
import type { EndSessionStores, EndWithinDeps } from '../session/end-session.ts';
import { endSessionWithin, logoutAllWithin } from '../session/end-session.ts';
import type { Act, ActDeps, ActInput, ActStores } from './act-upon.ts';
import { actUpon } from './act-upon.ts';

type RevokeStores = ActStores & EndSessionStores;

export type RevokeUserSessionsDeps = ActDeps<RevokeStores> & EndWithinDeps;

export type RevokeUserSessionsInput = ActInput & {
  /** The one session to end; undefined for all. */
  readonly sessionId: string | undefined;
};

/**
 * Ends the session, or every session and token with what they have begun. API keys live on. Errors: USER_NOT_FOUND, SESSION_NOT_FOUND (also
 * for another's session and for one that was revoked), ROLE_PROTECTED, INSUFFICIENT_SCOPE, TOKEN_REVOKED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function revokeUserSessions(
  deps: RevokeUserSessionsDeps,
  input: RevokeUserSessionsInput,
): Promise<void> {
  const { actor, userId, sessionId, origin } = input;
  const target = sessionId === undefined ? {} : { targetId: sessionId };
  const kind = sessionId === undefined ? 'session.logout_all' : 'session.revoke';
  const act: Act = { actor, userId, origin, kind, ...target, mayBeOwn: true };
  await actUpon(deps, act, async (stores: RevokeStores) => {
    const who = { userId, actorId: actor.id, origin };
    if (sessionId === undefined)
      return {
        result: undefined,
        ended: await logoutAllWithin(deps, stores, { ...who, revokeApiKeys: false }),
      };
    const ended = await endSessionWithin(deps, stores, { ...who, sessionId, kind: 'session.revoke' });
    if (ended.length > 0) return { result: undefined, ended };
    throw new DomainError(
      'SESSION_NOT_FOUND',
      'The account has no session with this id that could be ended.',
    );
  });
}
