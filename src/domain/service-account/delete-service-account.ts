// DeleteServiceAccount: the end of a program, of its keys and of every token exchanged for one of them.

import type { Actor } from '../access/authority.ts';
import { requireHolds } from '../access/authority.ts';
import type { ApiKeyStore } from '../api-key/api-key.ts';
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
import type { ServiceAccountStore, ServiceApiKeyStore } from './service-account.ts';
import { serviceAccountNotFound } from './service-account.ts';

type DeleteStores = ActingStores & {
  readonly serviceAccounts: Pick<ServiceAccountStore, 'lock' | 'delete'>;
  readonly serviceApiKeys: Pick<ServiceApiKeyStore, 'endAll'>;
  readonly apiKeys: Pick<ApiKeyStore, 'endMadeBy'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly audit: AuditLog;
};

export type DeleteServiceAccountDeps = AuditedDeps<DeleteStores> &
  PublishRevocationsDeps & { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> };

export type DeleteServiceAccountInput = {
  readonly actor: Actor;
  readonly serviceAccountId: string;
  /** Whether keys of other accounts that were made by keys of this one end too. */
  readonly includeMadeKeys: boolean;
  readonly origin: CallOrigin;
};

/**
 * Deletes the account; its credentials end at once and on every node. Errors: SERVICE_ACCOUNT_NOT_FOUND, INSUFFICIENT_SCOPE (the account has a scope that
 * the actor lacks), TOKEN_REVOKED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function deleteServiceAccount(
  deps: DeleteServiceAccountDeps,
  { actor, serviceAccountId: id, includeMadeKeys, origin }: DeleteServiceAccountInput,
): Promise<void> {
  const act = {
    kind: 'service_account.delete',
    ...(actor.id === undefined ? {} : { actorId: actor.id }),
    targetId: id,
    origin,
  } as const;
  const ended = await audited(deps, act, async (stores) => {
    const now = deps.clock.now();
    const scopes = await stores.serviceAccounts.lock(id);
    if (scopes === undefined) throw serviceAccountNotFound();
    const { holder } = await actingNow(stores, actor, now);
    requireHolds(holder, scopes);
    const minVersion = await stores.serviceAccounts.delete(id);
    const ending = revocation({ form: 'subject', id, minVersion }, now, deps.tokenPolicy.accessTokenTtlMs);
    const kept = await stores.revocations.insert(ending);
    const keys = await stores.serviceApiKeys.endAll(id, now);
    const made = includeMadeKeys ? await stores.apiKeys.endMadeBy(keys, now, ending.expireTime) : [];
    const details = includeMadeKeys ? { made_keys: made.map(({ id: key }) => key).join(' ') } : {};
    await stores.audit.append(auditEvent(deps, { ...act, outcome: 'success', details }));
    return [kept, ...made];
  });
  await publishRevocations(deps, ended);
}
