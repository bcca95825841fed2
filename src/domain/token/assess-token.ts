// Is this token good now? The question behind every guarded call and behind ValidateToken.

import type { RoleDirectory } from '../access/role.ts';
import { intersectScopes } from '../access/scope.ts';
import type { Principal } from '../access/principal.ts';
import type { ApiKeyRecord } from '../api-key/api-key.ts';
import type { ApiKeyDirectory } from '../api-key/api-key-directory.ts';
import type { ApiKeyUsage } from '../api-key/api-key-usage.ts';
import type { Clock } from '../clock.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import { after } from '../maybe-promise.ts';
import { isWithin, parseAddress } from '../network/ip-network.ts';
import type { RevocationIndex } from '../revocation/revocation-index.ts';
import type { SessionDirectory } from '../session/session-directory.ts';
import type { AccessTokenClaims, AccessTokenVerifier, TokenFault, VerifiedToken } from './access-token.ts';

export type AssessDeps = {
  readonly accessTokenVerifier: AccessTokenVerifier;
  readonly apiKeyDirectory: Pick<ApiKeyDirectory, 'find'>;
  readonly apiKeyUsage: Pick<ApiKeyUsage, 'note'>;
  readonly sessionDirectory: Pick<SessionDirectory, 'find' | 'noteUse'>;
  /** Called with a key that was shown from an address outside its networks: stolen perhaps, or its list is wrong. */
  readonly onKeyOutsideNetworks: (keyId: string, clientAddress: string) => void;
  readonly revocationIndex: Pick<
    RevocationIndex,
    'requireFresh' | 'isRevoked' | 'isSessionRevoked' | 'minVersionOf'
  >;
  readonly roleDirectory: Pick<RoleDirectory, 'grantedBy'>;
  readonly clock: Clock;
  readonly audience: string;
};

export type InactiveReason = TokenFault | 'revoked' | 'wrong_audience';

/** `claims` are those of an access token; other credentials have none. */
export type ActiveToken = {
  readonly active: true;
  readonly principal: Principal;
  readonly claims?: AccessTokenClaims;
};

/** `isRenewed` is a cookie whose session goes on by another one. */
export type TokenVerdict =
  | ActiveToken
  | { readonly active: false; readonly reason: InactiveReason; readonly isRenewed?: true };

const inactive = (reason: InactiveReason): TokenVerdict => ({ active: false, reason });

/**
 * The verdict on an access token for `audience`. Asks no database and no Redis. Errors: REVOCATIONS_STALE (a forged or expired token is reported
 * as such even then).
 */
export function assessAccessToken(
  deps: AssessDeps,
  token: string,
  audience: string,
): MaybePromise<TokenVerdict> {
  return after<VerifiedToken, TokenVerdict>(deps.accessTokenVerifier.verify(token), (verified) =>
    assessVerified(deps, verified, audience),
  );
}

/** The verdict on an access token that has been verified, now or earlier. Errors: REVOCATIONS_STALE. */
export function assessVerified(
  deps: Pick<AssessDeps, 'revocationIndex' | 'roleDirectory'>,
  verified: VerifiedToken,
  audience: string,
): TokenVerdict {
  if ('fault' in verified) return inactive(verified.fault);
  const { claims } = verified;
  if (!claims.audience.includes(audience)) return inactive('wrong_audience');
  deps.revocationIndex.requireFresh();
  if (deps.revocationIndex.isRevoked(claims)) return inactive('revoked');
  return { active: true, principal: tokenPrincipal(claims, deps.roleDirectory), claims };
}

/**
 * The verdict on an API key. One that is bound to networks is valid for a caller in one of them; for any other, and where it is unknown whose
 * address counts, it is `invalid`, like a key that does not exist. Reads the database when the key is not cached. Errors:
 * REVOCATIONS_STALE, STORAGE_UNAVAILABLE.
 */
export function assessApiKey(
  deps: AssessDeps,
  text: string,
  caller: { readonly clientAddress: string } | undefined,
): MaybePromise<TokenVerdict> {
  const { revocationIndex } = deps;
  revocationIndex.requireFresh();
  return after<ApiKeyRecord | undefined, TokenVerdict>(deps.apiKeyDirectory.find(text, caller), (key) => {
    if (key === undefined || !isAtHome(deps, key, caller)) return inactive('invalid');
    if (isEnded(revocationIndex, key)) return inactive('revoked');
    if (key.expireTime !== undefined && key.expireTime <= deps.clock.now()) return inactive('expired');
    deps.apiKeyUsage.note(key.id);
    return { active: true, principal: keyPrincipal(key, deps.roleDirectory) };
  });
}

// A record under an older epoch than is known here says nothing about what its owner may do now.
function isEnded(index: AssessDeps['revocationIndex'], key: ApiKeyRecord): boolean {
  if (key.revokeTime !== undefined || !key.ownerActive) return true;
  return index.isSessionRevoked(key.id) || key.ownerVersion < index.minVersionOf(key.ownerId);
}

function isAtHome(
  deps: AssessDeps,
  key: ApiKeyRecord,
  caller: { readonly clientAddress: string } | undefined,
): boolean {
  if (key.networks.length === 0) return true;
  if (caller === undefined) return false;
  const address = parseAddress(caller.clientAddress);
  if (address !== undefined && key.networks.some((network) => isWithin(address, network))) return true;
  deps.onKeyOutsideNetworks(key.id, caller.clientAddress);
  return false;
}

/**
 * Whether a credential that was found good a moment ago still is at `now`: in date, and not revoked by itself, with its session or with its
 * subject, nor a key that was narrowed meanwhile. Whether the index is fresh is the caller's to ask.
 */
export function isStillGood(
  revocationIndex: Pick<RevocationIndex, 'isRevoked' | 'minVersionOf'>,
  principal: Principal,
  now: number,
): boolean {
  if (principal.expiresAt !== undefined && principal.expiresAt <= now) return false;
  const isKey = principal.credential === 'api_key';
  if (isKey && (principal.keyVersion ?? 0) < revocationIndex.minVersionOf(principal.credentialId))
    return false;
  return !revocationIndex.isRevoked({
    tokenId: principal.credentialId,
    sessionId: isKey ? principal.credentialId : principal.sessionId,
    subjectId: principal.subjectId,
    version: principal.version,
  });
}

function tokenPrincipal(claims: AccessTokenClaims, roles: AssessDeps['roleDirectory']): Principal {
  const isUser = claims.subjectKind === 'user';
  return {
    subjectId: claims.subjectId,
    kind: claims.subjectKind,
    role: claims.role,
    scopes: isUser ? intersectScopes(claims.scopes, roles.grantedBy(claims.role)) : claims.scopes,
    sessionId: claims.sessionId,
    credential: 'access_token',
    credentialId: claims.tokenId,
    authTime: claims.authTime,
    amr: claims.amr,
    version: claims.version,
    expiresAt: claims.expiresAt,
    isNetworkBound: false,
  };
}

function keyPrincipal(key: ApiKeyRecord, roles: AssessDeps['roleDirectory']): Principal {
  const granted = key.ownerKind === 'user' ? roles.grantedBy(key.ownerRole) : new Set(key.ownerScopes);
  return {
    subjectId: key.ownerId,
    kind: key.ownerKind,
    role: key.ownerRole,
    scopes: intersectScopes(key.scopes, granted),
    sessionId: undefined,
    credential: 'api_key',
    credentialId: key.id,
    authTime: undefined,
    amr: [],
    version: key.ownerVersion,
    keyVersion: key.version,
    expiresAt: key.expireTime,
    isNetworkBound: key.networks.length > 0,
  };
}
