// RevokeServiceApiKey: the end of a program's key.

import type { Actor } from '../access/authority.ts';
import { requireHolds } from '../access/authority.ts';
import type { RoleStore } from '../access/role.ts';
import type { ApiKeyStore } from '../api-key/api-key.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { AnnounceDeps } from '../revocation/announce.ts';
import { announce } from '../revocation/announce.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import { actorNow } from '../managed-user/act-upon.ts';
import type { ManagedUserStore } from '../managed-user/managed-user-store.ts';
import type { ServiceApiKeyStore } from './service-account.ts';

type RevokeStores = {
  readonly managedUsers: Pick<ManagedUserStore, 'hold'>;
  readonly roles: Pick<RoleStore, 'list'>;
  readonly serviceApiKeys: Pick<ServiceApiKeyStore, 'hold'>;
  readonly apiKeys: Pick<ApiKeyStore, 'revoke'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly audit: AuditLog;
};

export type RevokeServiceApiKeyDeps = AuditedDeps<RevokeStores> &
  AnnounceDeps & { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> };

export type RevokeServiceApiKeyInput = {
  readonly actor: Actor;
  readonly apiKeyId: string;
  readonly origin: CallOrigin;
};

/**
 * Ends the key and the tokens exchanged for it, at once and on every node. Errors: API_KEY_NOT_FOUND (also for a person's key and a revoked
 * one), INSUFFICIENT_SCOPE (the key carries what the actor lacks), CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function revokeServiceApiKey(
  deps: RevokeServiceApiKeyDeps,
  { actor, apiKeyId, origin }: RevokeServiceApiKeyInput,
): Promise<void> {
  const now = deps.clock.now();
  const revoked = revocation({ form: 'session', id: apiKeyId }, now, deps.tokenPolicy.accessTokenTtlMs);
  const act = {
    kind: 'api_key.revoke',
    ...(actor.id === undefined ? {} : { actorId: actor.id }),
    targetId: apiKeyId,
    origin,
  } as const;
  const kept = await audited(deps, act, async (stores) => {
    const holder = await actorNow(stores, actor);
    const key = await stores.serviceApiKeys.hold(apiKeyId);
    if (key === undefined) {
      throw new DomainError('API_KEY_NOT_FOUND', 'No service account has a live API key with this id.');
    }
    requireHolds(holder, key.scopes);
    await stores.apiKeys.revoke(apiKeyId, now);
    const kept = await stores.revocations.insert(revoked);
    const details = { service_account: key.ownerId };
    await stores.audit.append(auditEvent(deps, { ...act, outcome: 'success', details }));
    return kept;
  });
  await announce(deps, [kept]);
}
