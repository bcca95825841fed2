// Renews the calling session: it goes on under its id, with new tokens or a new cookie.

import type { User } from '../account/user.ts';
import type { CallOrigin } from '../audit/audit-event.ts';
import type { RandomBytes } from '../clock.ts';
import { DomainError } from '../errors.ts';
import type { IssueDeps } from './issue-tokens.ts';
import { SALT_LENGTH } from './refresh-token.ts';
import type { Renewal, SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

export type RenewSessionDeps = Pick<IssueDeps, 'tokenPolicy'> & { readonly randomBytes: RandomBytes };

export type RenewSessionInput = Pick<Renewal, 'endsTokens' | 'proof' | 'now'> & {
  /** As it was when its row was locked, before its epochs were raised. */
  readonly user: User;
  readonly sessionId: string;
  readonly origin: CallOrigin;
};

/** Renews the session, in a transaction of the caller's that has locked the user's row. Errors: TOKEN_REVOKED when the session has ended meanwhile. */
export async function renewSession(
  { tokenPolicy, randomBytes }: RenewSessionDeps,
  { sessions }: { readonly sessions: Pick<SessionStore, 'renew'> },
  { user, sessionId, origin, now, endsTokens, proof }: RenewSessionInput,
): Promise<Session> {
  const renewed = await sessions.renew({
    sessionId,
    userId: user.id,
    epoch: user.sessionEpoch,
    salt: randomBytes(SALT_LENGTH),
    endsTokens,
    proof,
    now,
    expireTime: now + tokenPolicy.refreshTokenTtlMs,
    origin,
  });
  if (renewed === undefined) throw new DomainError('TOKEN_REVOKED', 'The session has ended. Log in again.');
  return renewed;
}
