// RotateServiceApiKey: a new key of a program in the place of an old one, by the key itself or by an operator.

import type { Actor } from '../access/authority.ts';
import { intersectScopes } from '../access/scope.ts';
import type { ApiKey, ApiKeyStore } from '../api-key/api-key.ts';
import { endOldKey } from '../api-key/end-old-key.ts';
import { MAX_LIVE_KEYS } from '../api-key/key-rules.ts';
import type { CreatedApiKey, MakeApiKeyDeps } from '../api-key/make-api-key.ts';
import { makeApiKey } from '../api-key/make-api-key.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import { DomainError } from '../errors.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { ActingStores } from './acting.ts';
import { actingNow, requireMayManage } from './acting.ts';
import type { ServiceAccountStore, ServiceApiKeyStore } from './service-account.ts';
import { keyLimitReached, serviceKeyNotFound } from './service-account.ts';

/** The stores in which a service account's live key is found and locked. */
export type HeldKeyStores = {
  readonly serviceAccounts: Pick<ServiceAccountStore, 'lock'>;
  readonly serviceApiKeys: Pick<ServiceApiKeyStore, 'lock'>;
  readonly apiKeys: Pick<ApiKeyStore, 'find'>;
};

type RotateStores = ActingStores &
  HeldKeyStores & {
    readonly serviceApiKeys: Pick<ServiceApiKeyStore, 'countLive'>;
    readonly apiKeys: Pick<ApiKeyStore, 'insert' | 'revoke' | 'setExpiry'>;
    readonly revocations: Pick<RevocationStore, 'insert'>;
    readonly audit: AuditLog;
  };

export type RotateServiceApiKeyDeps = MakeApiKeyDeps &
  AuditedDeps<RotateStores> &
  PublishRevocationsDeps & { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> };

export type RotateServiceApiKeyInput = {
  readonly actor: Actor;
  readonly apiKeyId: string;
  /** How long the old key lives on, in milliseconds; 0 ends it at once. */
  readonly overlapMs: number;
  readonly origin: CallOrigin;
};

/**
 * Makes a key with the name, networks and expiry of the old one, and as many of its scopes as its account has now. Errors: API_KEY_NOT_FOUND (also
 * for a person's key, an expired and a revoked one), INSUFFICIENT_SCOPE (the actor may not manage the key; the account has none of its scopes),
 * API_KEY_LIMIT (with an overlap both keys count), TOKEN_REVOKED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function rotateServiceApiKey(
  deps: RotateServiceApiKeyDeps,
  { actor, apiKeyId, overlapMs, origin }: RotateServiceApiKeyInput,
): Promise<CreatedApiKey> {
  const act = {
    kind: 'api_key.rotate',
    ...(actor.id === undefined ? {} : { actorId: actor.id }),
    targetId: apiKeyId,
    origin,
  } as const;
  const { created, ended } = await audited(deps, act, async (stores) => {
    const now = deps.clock.now();
    const { key: old, accountScopes } = await lockLiveKey(stores, apiKeyId, now);
    requireMayManage(await actingNow(stores, actor, now), old);
    const scopes = intersectScopes(old.scopes, new Set(accountScopes));
    if (scopes.length === 0)
      throw new DomainError('INSUFFICIENT_SCOPE', 'The service account has none of the scopes of the key.');
    const ended = await endOldKey(deps, stores, old, { now, endTime: now + overlapMs });
    if ((await stores.serviceApiKeys.countLive(old.ownerId, now)) >= MAX_LIVE_KEYS) throw keyLimitReached();
    const { ownerId, displayName, allowedCidrs, expireTime } = old;
    const created = await makeApiKey(
      deps,
      stores,
      {
        ownerId,
        ownerKind: 'service',
        displayName,
        scopes,
        allowedCidrs,
        createTime: now,
        expireTime,
        madeBy: actor.keyId,
      },
      (successor) => ({ ...act, details: { service_account: ownerId, successor } }),
    );
    return { created, ended };
  });
  await publishRevocations(deps, ended);
  return created;
}

/** A service account's live key and the scopes of its account, both locked. Errors: API_KEY_NOT_FOUND. */
export async function lockLiveKey(
  stores: HeldKeyStores,
  apiKeyId: string,
  now: number,
): Promise<{ readonly key: ApiKey; readonly accountScopes: readonly string[] }> {
  const found = await stores.apiKeys.find(apiKeyId);
  if (found?.ownerKind !== 'service') throw serviceKeyNotFound();
  const accountScopes = await stores.serviceAccounts.lock(found.ownerId);
  const key = await stores.serviceApiKeys.lock(apiKeyId);
  const isLive = key !== undefined && (key.expireTime === undefined || key.expireTime > now);
  if (!isLive || accountScopes === undefined) throw serviceKeyNotFound();
  return { key, accountScopes };
}
