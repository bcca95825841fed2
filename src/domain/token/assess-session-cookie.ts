// Is this session cookie good now?

import type { Principal } from '../access/principal.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import { after } from '../maybe-promise.ts';
import type { FoundSession } from '../session/session-directory.ts';
import { endingOf, scopesOfSession } from '../session/session.ts';
import type { AssessDeps, TokenVerdict } from './assess-token.ts';

/**
 * The verdict on the value of a session cookie; a good one counts as a use of its session. Whether the call that shows it may carry a cookie
 * at all is the caller's to ask. Reads the database when the session is not cached. Errors: REVOCATIONS_STALE, STORAGE_UNAVAILABLE.
 */
export function assessSessionCookie(deps: AssessDeps, cookie: string): MaybePromise<TokenVerdict> {
  const { revocationIndex, sessionDirectory } = deps;
  revocationIndex.requireFresh();
  const looked = sessionDirectory.find(cookie);
  return after<FoundSession | 'renewed' | undefined, TokenVerdict>(looked, (found) => {
    if (found === undefined) return { active: false, reason: 'invalid' };
    if (found === 'renewed') return { active: false, reason: 'invalid', isRenewed: true };
    const { session, user } = found;
    const { id, expireTime, maxExpireTime } = session;
    const revocable = { tokenId: id, sessionId: id, subjectId: user.id, version: user.tokenVersion };
    if (revocationIndex.isRevoked(revocable)) return { active: false, reason: 'revoked' };
    const ending = endingOf(session, user, deps.clock.now());
    if (ending !== undefined) return { active: false, reason: ending };
    sessionDirectory.noteUse(found);
    const principal = cookiePrincipal(deps, found, Math.min(expireTime, maxExpireTime));
    return { active: true, principal };
  });
}

function cookiePrincipal(
  { roleDirectory }: AssessDeps,
  { session, user }: FoundSession,
  expiresAt: number,
): Principal {
  return {
    subjectId: user.id,
    kind: 'user',
    role: user.role,
    scopes: scopesOfSession(session, roleDirectory.grantedBy(user.role)),
    sessionId: session.id,
    credential: 'session_cookie',
    credentialId: session.id,
    authTime: session.authTime,
    amr: session.amr,
    version: user.tokenVersion,
    expiresAt,
    isNetworkBound: false,
  };
}
