// ExchangeApiKey: from a key to a short access token (the client credentials of RFC 6749, section 4.4, when a service calls).

import type { Principal } from '../access/principal.ts';
import { intersectScopes } from '../access/scope.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { AccessTokenSigner, TokenPolicy } from '../token/access-token.ts';
import { endWithin } from '../token/access-token.ts';

export type ExchangeApiKeyDeps = Stamp & {
  readonly accessTokenSigner: AccessTokenSigner;
  readonly audit: AuditLog;
  readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs' | 'audience'>;
};

export type ExchangeApiKeyInput = {
  /** Of the API key that calls, as it was found good just now. */
  readonly key: Principal;
  /** Empty for all that the key carries. */
  readonly scopes: readonly string[];
  readonly origin: CallOrigin;
};

/** A token without a refresh token: who wants another shows the key again. */
export type ExchangedToken = {
  readonly accessToken: string;
  /** Milliseconds. */
  readonly expiresIn: number;
  readonly scopes: readonly string[];
};

// The token itself can be used from anywhere, so it is not worth stealing for long.
const MAX_LIFE_OF_BOUND_MS = 5 * 60_000;

/**
 * A token for the key's owner. Its session id is the key's, so that it dies with the key; it has no time of login, so that it passes for
 * none. A key that is bound to networks gets one of 5 minutes at most. Errors: STORAGE_UNAVAILABLE.
 */
export async function exchangeApiKey(
  deps: ExchangeApiKeyDeps,
  { key, scopes: requested, origin }: ExchangeApiKeyInput,
): Promise<ExchangedToken> {
  const now = deps.clock.now();
  const expiresAt = endWithin(now, lifeOf(deps, key), key.expiresAt ?? Infinity);
  const scopes = requested.length === 0 ? key.scopes : intersectScopes(requested, new Set(key.scopes));
  const accessToken = await deps.accessTokenSigner.sign({
    tokenId: deps.newId(),
    subjectId: key.subjectId,
    subjectKind: key.kind,
    // A service is its own client (RFC 9068, section 2.2: by this it is known for one); for a person the key is.
    clientId: key.kind === 'service' ? key.subjectId : key.credentialId,
    sessionId: key.credentialId,
    audience: [deps.tokenPolicy.audience],
    issuedAt: now,
    notBefore: now,
    expiresAt,
    scopes,
    role: key.role,
    version: key.version,
    amr: [],
    authTime: undefined,
  });
  await deps.audit.append(
    auditEvent(deps, {
      kind: 'api_key.exchange',
      outcome: 'success',
      ...(key.kind === 'user' ? { accountId: key.subjectId } : {}),
      actorId: key.subjectId,
      targetId: key.credentialId,
      origin,
    }),
  );
  return { accessToken, expiresIn: expiresAt - now, scopes };
}

function lifeOf({ tokenPolicy }: ExchangeApiKeyDeps, key: Principal): number {
  const { accessTokenTtlMs } = tokenPolicy;
  return key.isNetworkBound ? Math.min(accessTokenTtlMs, MAX_LIFE_OF_BOUND_MS) : accessTokenTtlMs;
}
