// Issues the credentials of a new session: a pair of tokens, or the cookie of a browser.

import type { User } from '../account/user.ts';
import type { IssueDeps, TokenSet } from './issue-tokens.ts';
import { issueTokens } from './issue-tokens.ts';
import type { SessionCookieCodec } from './session-cookie.ts';
import type { Session } from './session.ts';
import { scopesOfSession } from './session.ts';

/** A cookie, and what there is to say of its session. Durations are milliseconds. */
export type CookieGrant = {
  readonly cookie: string;
  /** Until the session ends unless it is used. */
  readonly expiresIn: number;
  /** Until the session ends however much it is used. */
  readonly maxAgeMs: number;
  readonly scopes: readonly string[];
  readonly sessionId: string;
};

export type SessionCredentials = { readonly tokens: TokenSet } | { readonly cookie: CookieGrant };

export type SessionCredentialsDeps = IssueDeps & {
  readonly sessionCookieCodec: Pick<SessionCookieCodec, 'write'>;
};

/** The credentials of a session that has just been opened. A cookie session has no tokens, now or later. Errors: none of its own. */
export async function issueCredentials(
  deps: SessionCredentialsDeps,
  user: User,
  session: Session,
): Promise<SessionCredentials> {
  if (!session.usesCookie) return { tokens: await issueTokens(deps, user, session, session.generation, []) };
  const now = deps.clock.now();
  const { id: sessionId, salt } = session;
  const cookie = {
    cookie: deps.sessionCookieCodec.write({ sessionId, salt }),
    expiresIn: Math.min(session.expireTime, session.maxExpireTime) - now,
    maxAgeMs: session.maxExpireTime - now,
    scopes: scopesOfSession(session, deps.roleDirectory.grantedBy(user.role)),
    sessionId,
  };
  return { cookie };
}
