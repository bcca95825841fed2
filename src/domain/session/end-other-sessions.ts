// Ends every session of a user but the calling one: what a change of credentials does.

import { DomainError } from '../errors.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { revocation, REVOCATION_MARGIN_MS } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { SessionStore } from './session-store.ts';

export type EndOtherSessionsDeps = {
  readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs' | 'refreshGraceMs'>;
};

export type EndOtherSessionsInput = {
  readonly userId: string;
  /** The calling session, which lives on. */
  readonly sessionId: string;
  /** What the person has proved besides, in the calling session (RFC 8176); may be empty. */
  readonly amr: readonly string[];
  readonly now: number;
};

/**
 * Ends the sessions, in a transaction of the caller's that has locked the user's row, so that no login slips in between. None of them refreshes
 * again: one row says so, however many they are. Each that is live or may still have an access token in date is revoked besides, for the caller to
 * publish after the commit; a live one even if it was not seen for days, because a refresh that began before the commit is noted as seen only
 * afterwards, and issues an access token all the same. Errors: TOKEN_REVOKED when the calling session has ended meanwhile.
 */
export async function endOtherSessions(
  { tokenPolicy }: EndOtherSessionsDeps,
  stores: { readonly sessions: Pick<SessionStore, 'endOthers'> },
  { userId, sessionId, amr, now }: EndOtherSessionsInput,
): Promise<readonly Revocation[]> {
  const { accessTokenTtlMs, refreshGraceMs } = tokenPolicy;
  const { expireTime } = revocation({ form: 'session', id: sessionId }, now, accessTokenTtlMs);
  const revoked = await stores.sessions.endOthers({
    userId,
    keptId: sessionId,
    amr,
    now,
    expireTime,
    // A retry within the grace gets an access token and does not count as seen.
    seenSince: now - accessTokenTtlMs - refreshGraceMs - REVOCATION_MARGIN_MS,
  });
  if (revoked === undefined) throw new DomainError('TOKEN_REVOKED', 'The session has ended. Log in again.');
  return revoked;
}
