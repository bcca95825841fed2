// RevokeToken: who holds a token may end it (RFC 7009).

import type { ApiKeyDirectory } from '../api-key/api-key-directory.ts';
import type { ApiKeyStore } from '../api-key/api-key.ts';
import { API_KEY_PREFIX } from '../api-key/api-key.ts';
import type { AuditEvent, AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { RevocationIndex } from '../revocation/revocation-index.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import { revocation, tokenRevocation } from '../revocation/revocation.ts';
import type { EndSessionDeps } from '../session/end-session.ts';
import { endSession } from '../session/end-session.ts';
import type { RefreshTokenCodec } from '../session/refresh-token.ts';
import { isOfSession, REFRESH_TOKEN_PREFIX } from '../session/refresh-token.ts';
import type { SessionCookieCodec, SessionCookieContent } from '../session/session-cookie.ts';
import { SESSION_COOKIE_PREFIX } from '../session/session-cookie.ts';
import type { SessionStore } from '../session/session-store.ts';
import type { Transact } from '../transactions.ts';
import type { AccessTokenVerifier, TokenPolicy } from './access-token.ts';

type RevokeStores = {
  readonly apiKeys: Pick<ApiKeyStore, 'revoke'>;
  readonly revocations: Pick<RevocationStore, 'insert' | 'insertNew'>;
  readonly audit: AuditLog;
};

export type RevokeTokenDeps = Stamp &
  PublishRevocationsDeps &
  EndSessionDeps & {
    readonly accessTokenVerifier: AccessTokenVerifier;
    readonly revocationIndex: Pick<RevocationIndex, 'apply' | 'isRevoked' | 'isSessionRevoked'>;
    readonly refreshTokenCodec: Pick<RefreshTokenCodec, 'read'>;
    readonly sessionCookieCodec: Pick<SessionCookieCodec, 'read'>;
    readonly apiKeyDirectory: Pick<ApiKeyDirectory, 'find'>;
    readonly sessions: Pick<SessionStore, 'findWithUser'>;
    readonly transact: Transact<RevokeStores>;
    readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
  };

export type RevokeTokenInput = { readonly token: string; readonly origin: CallOrigin };

/**
 * Revokes an access token alone, a refresh token or a session cookie with its session, or an API key. A text that is no good token does nothing and succeeds
 * (RFC 7009, section 2.2): the caller's aim is met, and an attacker learns nothing. So does one that is revoked already: it costs no transaction here,
 * and of several calls at once, on whatever nodes, one alone writes, audits and publishes. Errors: STORAGE_UNAVAILABLE.
 */
export async function revokeToken(deps: RevokeTokenDeps, input: RevokeTokenInput): Promise<void> {
  const { token } = input;
  if (token.startsWith(REFRESH_TOKEN_PREFIX))
    return revokeSessionOf(deps, deps.refreshTokenCodec.read(token), input.origin);
  if (token.startsWith(SESSION_COOKIE_PREFIX))
    return revokeSessionOf(deps, deps.sessionCookieCodec.read(token), input.origin);
  if (token.startsWith(API_KEY_PREFIX)) return revokeApiKey(deps, input);
  return revokeAccessToken(deps, input);
}

async function revokeSessionOf(
  deps: RevokeTokenDeps,
  content: SessionCookieContent | undefined,
  origin: CallOrigin,
): Promise<void> {
  if (content === undefined || deps.revocationIndex.isSessionRevoked(content.sessionId)) return;
  const found = await deps.sessions.findWithUser(content.sessionId);
  if (found === undefined || !isOfSession(content, found.session)) return;
  await endSession(deps, {
    userId: found.session.userId,
    sessionId: found.session.id,
    kind: 'token.revoke',
    origin,
  });
}

async function revokeApiKey(deps: RevokeTokenDeps, { token, origin }: RevokeTokenInput): Promise<void> {
  const key = await deps.apiKeyDirectory.find(token, { clientAddress: origin.ipAddress });
  if (key === undefined || deps.revocationIndex.isSessionRevoked(key.id)) return;
  const now = deps.clock.now();
  const ended = await deps.transact(async (stores: RevokeStores) => {
    if (!(await stores.apiKeys.revoke(key.id, now))) return [];
    const target = { form: 'session', id: key.id } as const;
    const kept = await stores.revocations.insert(revocation(target, now, deps.tokenPolicy.accessTokenTtlMs));
    const owner = { id: key.ownerId, kind: key.ownerKind };
    await stores.audit.append(revokedEvent(deps, 'api_key.revoke', key.id, owner, origin));
    return [kept];
  });
  await publishRevocations(deps, ended);
}

async function revokeAccessToken(deps: RevokeTokenDeps, { token, origin }: RevokeTokenInput): Promise<void> {
  const verified = await deps.accessTokenVerifier.verify(token);
  if ('fault' in verified || deps.revocationIndex.isRevoked(verified.claims)) return;
  const { claims } = verified;
  const revoked = tokenRevocation(claims, deps.clock.now());
  const ended = await deps.transact(async (stores: RevokeStores) => {
    if (!(await stores.revocations.insertNew(revoked))) return [];
    const owner = { id: claims.subjectId, kind: claims.subjectKind };
    await stores.audit.append(revokedEvent(deps, 'token.revoke', claims.tokenId, owner, origin));
    return [revoked];
  });
  await publishRevocations(deps, ended);
}

function revokedEvent(
  deps: Stamp,
  kind: 'token.revoke' | 'api_key.revoke',
  targetId: string,
  owner: { readonly id: string; readonly kind: 'user' | 'service' },
  origin: CallOrigin,
): AuditEvent {
  return auditEvent(deps, {
    kind,
    outcome: 'success',
    ...(owner.kind === 'user' ? { accountId: owner.id } : {}),
    actorId: owner.id,
    targetId,
    origin,
  });
}
