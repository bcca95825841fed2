// CreateServiceApiKey: a key by which a program calls for itself.

import type { Actor } from '../access/authority.ts';
import { requireHolds } from '../access/authority.ts';
import type { ApiKeyStore } from '../api-key/api-key.ts';
import { MAX_LIVE_KEYS } from '../api-key/key-rules.ts';
import type { CreatedApiKey, MakeApiKeyDeps } from '../api-key/make-api-key.ts';
import { makeApiKey } from '../api-key/make-api-key.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import { DomainError } from '../errors.ts';
import type { ServiceAccountStore, ServiceApiKeyStore } from './service-account.ts';
import type { ActingStores } from './acting.ts';
import { actingNow, withinCallingKey } from './acting.ts';
import { keyLimitReached, serviceAccountNotFound } from './service-account.ts';

type CreateKeyStores = ActingStores & {
  readonly serviceAccounts: Pick<ServiceAccountStore, 'lock'>;
  readonly serviceApiKeys: Pick<ServiceApiKeyStore, 'countLive'>;
  readonly apiKeys: Pick<ApiKeyStore, 'insert'>;
  readonly audit: AuditLog;
};

export type CreateServiceApiKeyDeps = MakeApiKeyDeps & AuditedDeps<CreateKeyStores>;

export type CreateServiceApiKeyInput = {
  readonly actor: Actor;
  readonly serviceAccountId: string;
  readonly displayName: string;
  /** Empty for all of the account's. */
  readonly scopes: readonly string[];
  readonly allowedCidrs: readonly string[];
  readonly expireTime: number | undefined;
  readonly origin: CallOrigin;
};

/**
 * Makes a key with scopes that the account has and the actor holds; one that is made by a key has its networks and its time at most. Errors: SERVICE_ACCOUNT_NOT_FOUND, INSUFFICIENT_SCOPE (names what the
 * account has not, or the actor lacks), API_KEY_LIMIT, CONFLICT, STORAGE_UNAVAILABLE.
 */
export function createServiceApiKey(
  deps: CreateServiceApiKeyDeps,
  input: CreateServiceApiKeyInput,
): Promise<CreatedApiKey> {
  const { actor, serviceAccountId, displayName, allowedCidrs, expireTime, origin } = input;
  const act = {
    kind: 'api_key.create',
    ...(actor.id === undefined ? {} : { actorId: actor.id }),
    origin,
    details: { service_account: serviceAccountId, scopes: input.scopes.join(' ') },
  } as const;
  return audited(deps, act, async (stores) => {
    const accountScopes = await stores.serviceAccounts.lock(serviceAccountId);
    if (accountScopes === undefined) throw serviceAccountNotFound();
    const now = deps.clock.now();
    const acting = await actingNow(stores, actor, now);
    const scopes = input.scopes.length === 0 ? accountScopes : input.scopes;
    requireWithin(accountScopes, scopes);
    requireHolds(acting.holder, scopes);
    const bounds = withinCallingKey(acting, { allowedCidrs, expireTime });
    if ((await stores.serviceApiKeys.countLive(serviceAccountId, now)) >= MAX_LIVE_KEYS)
      throw keyLimitReached();
    return makeApiKey(
      deps,
      stores,
      {
        ownerId: serviceAccountId,
        ownerKind: 'service',
        displayName,
        scopes,
        ...bounds,
        createTime: now,
        madeBy: actor.keyId,
      },
      (id) => ({ ...act, targetId: id, details: { ...act.details, scopes: scopes.join(' ') } }),
    );
  });
}

function requireWithin(accountScopes: readonly string[], scopes: readonly string[]): void {
  const missing = scopes.filter((scope) => !accountScopes.includes(scope));
  if (missing.length === 0) return;
  const list = missing.join(' ');
  throw new DomainError('INSUFFICIENT_SCOPE', `The service account does not have ${list}.`, {
    metadata: { missing_scopes: list },
  });
}
