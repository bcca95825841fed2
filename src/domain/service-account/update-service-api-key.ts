// UpdateServiceApiKey: a program's key, by the key itself or by an operator, to less than it was.

import type { Actor } from '../access/authority.ts';
import type { ApiKey, ApiKeyStore } from '../api-key/api-key.ts';
import type { KeyChange } from '../api-key/narrow-key.ts';
import { narrowKey } from '../api-key/narrow-key.ts';
import { changeDetails } from '../api-key/update-api-key.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import { auditEvent } from '../audit/record.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { ActingStores } from './acting.ts';
import { actingNow, requireMayManage } from './acting.ts';
import type { HeldKeyStores } from './rotate-service-api-key.ts';
import { lockLiveKey } from './rotate-service-api-key.ts';

type UpdateStores = ActingStores &
  HeldKeyStores & {
    readonly apiKeys: Pick<ApiKeyStore, 'change'>;
    readonly revocations: Pick<RevocationStore, 'insert'>;
    readonly audit: AuditLog;
  };

export type UpdateServiceApiKeyDeps = AuditedDeps<UpdateStores> &
  PublishRevocationsDeps & { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> };

export type UpdateServiceApiKeyInput = {
  readonly actor: Actor;
  readonly apiKeyId: string;
  readonly change: KeyChange;
  readonly origin: CallOrigin;
};

/**
 * The key as it is now, on every node. Errors: API_KEY_NOT_FOUND (also for a person's key, an expired and a revoked one), INSUFFICIENT_SCOPE (the
 * actor may not manage the key), VALIDATION_FAILED (what would be wider), TOKEN_REVOKED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function updateServiceApiKey(
  deps: UpdateServiceApiKeyDeps,
  { actor, apiKeyId, change, origin }: UpdateServiceApiKeyInput,
): Promise<ApiKey> {
  const act = {
    kind: 'api_key.update',
    ...(actor.id === undefined ? {} : { actorId: actor.id }),
    targetId: apiKeyId,
    origin,
  } as const;
  const { apiKey, revocations } = await audited(deps, act, async (stores) => {
    const now = deps.clock.now();
    const { key: old } = await lockLiveKey(stores, apiKeyId, now);
    requireMayManage(await actingNow(stores, actor, now), old);
    const narrowed = await narrowKey(deps, stores, old, change, now);
    const details = { service_account: old.ownerId, ...changeDetails(old, narrowed.apiKey) };
    await stores.audit.append(auditEvent(deps, { ...act, outcome: 'success', details }));
    return narrowed;
  });
  await publishRevocations(deps, revocations);
  return apiKey;
}
