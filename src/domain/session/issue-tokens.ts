// Makes the pair of tokens that a login or a refresh issues.

import type { RoleDirectory } from '../access/role.ts';
import { intersectScopes } from '../access/scope.ts';
import type { User } from '../account/user.ts';
import type { Clock, NewId } from '../clock.ts';
import type { AccessTokenSigner, TokenPolicy } from '../token/access-token.ts';
import { endWithin } from '../token/access-token.ts';
import type { RefreshTokenCodec } from './refresh-token.ts';
import type { Session } from './session.ts';
import { scopesOfSession } from './session.ts';

export type IssueDeps = {
  readonly accessTokenSigner: AccessTokenSigner;
  readonly refreshTokenCodec: RefreshTokenCodec;
  readonly roleDirectory: Pick<RoleDirectory, 'grantedBy'>;
  readonly tokenPolicy: TokenPolicy;
  readonly clock: Clock;
  readonly newId: NewId;
};

/** The client of tokens that people get by logging in here directly. */
export const FIRST_PARTY_CLIENT = 'latchkey';

export type TokenSet = {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Milliseconds. */
  readonly expiresIn: number;
  readonly scopes: readonly string[];
  readonly sessionId: string;
};

/**
 * Tokens for `generation` of the session. The access token carries what the role grants now, narrowed by what the session asked for and by
 * `requested` when it is not empty; it is dead when the session is. Errors: none of its own.
 */
export async function issueTokens(
  deps: IssueDeps,
  user: Pick<User, 'id' | 'role' | 'tokenVersion'>,
  session: Pick<Session, 'id' | 'salt' | 'scopes' | 'amr' | 'authTime' | 'expireTime' | 'maxExpireTime'>,
  generation: number,
  requested: readonly string[],
): Promise<TokenSet> {
  const now = deps.clock.now();
  const { accessTokenTtlMs, audience } = deps.tokenPolicy;
  const sessionEnd = Math.min(session.expireTime, session.maxExpireTime);
  const expiresAt = endWithin(now, accessTokenTtlMs, sessionEnd);
  const granted = deps.roleDirectory.grantedBy(user.role);
  const ofSession = scopesOfSession(session, granted);
  const scopes = requested.length === 0 ? ofSession : intersectScopes(requested, new Set(ofSession));
  const accessToken = await deps.accessTokenSigner.sign({
    tokenId: deps.newId(),
    subjectId: user.id,
    subjectKind: 'user',
    clientId: FIRST_PARTY_CLIENT,
    sessionId: session.id,
    audience: [audience],
    issuedAt: now,
    notBefore: now,
    expiresAt,
    scopes,
    role: user.role,
    version: user.tokenVersion,
    amr: session.amr,
    authTime: session.authTime,
  });
  const { id: sessionId, salt } = session;
  const refreshToken = deps.refreshTokenCodec.write({ sessionId, generation, salt });
  return { accessToken, refreshToken, expiresIn: expiresAt - now, scopes, sessionId };
}
