// RevokeServiceApiKey: the end of a program's key, and of those that were made by it.

import type { Actor } from '../access/authority.ts';
import { requireHolds } from '../access/authority.ts';
import type { ApiKey, ApiKeyStore } from '../api-key/api-key.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import { auditEvent } from '../audit/record.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { ActingStores } from './acting.ts';
import { actingNow } from './acting.ts';
import type { ServiceApiKeyStore } from './service-account.ts';
import { serviceKeyNotFound } from './service-account.ts';

type RevokeStores = ActingStores & {
  readonly serviceApiKeys: Pick<ServiceApiKeyStore, 'lock' | 'lockEnded'>;
  readonly apiKeys: Pick<ApiKeyStore, 'revoke' | 'endMadeBy'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly audit: AuditLog;
};

export type RevokeServiceApiKeyDeps = AuditedDeps<RevokeStores> &
  PublishRevocationsDeps & { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> };

export type RevokeServiceApiKeyInput = {
  readonly actor: Actor;
  readonly apiKeyId: string;
  /** Whether the keys that were made by it, by those, and so on end too, whether it is still live or not. */
  readonly includeMadeKeys: boolean;
  readonly origin: CallOrigin;
};

/**
 * Ends the key and the tokens exchanged for it, at once and on every node; the ids of the keys that this call ended. Errors: API_KEY_NOT_FOUND (also
 * for a person's key and, alone, a revoked one), INSUFFICIENT_SCOPE (the key carries what the actor lacks), TOKEN_REVOKED, CONFLICT,
 * STORAGE_UNAVAILABLE.
 */
export async function revokeServiceApiKey(
  deps: RevokeServiceApiKeyDeps,
  { actor, apiKeyId, includeMadeKeys, origin }: RevokeServiceApiKeyInput,
): Promise<readonly string[]> {
  const now = deps.clock.now();
  const revoked = revocation({ form: 'session', id: apiKeyId }, now, deps.tokenPolicy.accessTokenTtlMs);
  const act = {
    kind: 'api_key.revoke',
    ...(actor.id === undefined ? {} : { actorId: actor.id }),
    targetId: apiKeyId,
    origin,
  } as const;
  const ended = await audited(deps, act, async (stores) => {
    const key = await lockKey(stores, apiKeyId, includeMadeKeys);
    const { holder } = await actingNow(stores, actor, now);
    requireHolds(holder, key.scopes);
    const isEnded = await stores.apiKeys.revoke(apiKeyId, now);
    const own = isEnded ? [await stores.revocations.insert(revoked)] : [];
    const made = includeMadeKeys ? await stores.apiKeys.endMadeBy([apiKeyId], now, revoked.expireTime) : [];
    const details = {
      service_account: key.ownerId,
      ...(includeMadeKeys ? { made_keys: made.map(({ id }) => id).join(' ') } : {}),
    };
    await stores.audit.append(auditEvent(deps, { ...act, outcome: 'success', details }));
    return [...own, ...made];
  });
  await publishRevocations(deps, ended);
  return ended.map(({ id }) => id);
}

async function lockKey(stores: RevokeStores, id: string, mayHaveEnded: boolean): Promise<ApiKey> {
  const { serviceApiKeys } = stores;
  const key = await (mayHaveEnded ? serviceApiKeys.lockEnded(id) : serviceApiKeys.lock(id));
  if (key === undefined) throw serviceKeyNotFound();
  return key;
}
