// UpdateApiKey: a person's key, by its owner, to less than it was.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { Transact } from '../transactions.ts';
import type { ApiKey, ApiKeyStore, OwnApiKeyStore } from './api-key.ts';
import { apiKeyNotFound } from './key-rules.ts';
import type { KeyChange } from './narrow-key.ts';
import { narrowKey } from './narrow-key.ts';

type UpdateStores = {
  readonly apiKeys: Pick<ApiKeyStore, 'change'>;
  readonly ownApiKeys: Pick<OwnApiKeyStore, 'lockLive'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly audit: AuditLog;
};

export type UpdateApiKeyDeps = Stamp &
  PublishRevocationsDeps & {
    readonly transact: Transact<UpdateStores>;
    readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
  };

export type UpdateApiKeyInput = {
  readonly ownerId: string;
  readonly apiKeyId: string;
  readonly change: KeyChange;
  readonly origin: CallOrigin;
};

/**
 * The key as it is now, on every node. Errors: API_KEY_NOT_FOUND (also for another's key, an expired and a revoked one), VALIDATION_FAILED (what
 * would be wider), CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function updateApiKey(deps: UpdateApiKeyDeps, input: UpdateApiKeyInput): Promise<ApiKey> {
  const { ownerId, apiKeyId, change, origin } = input;
  const now = deps.clock.now();
  const { apiKey, revocations } = await deps.transact(async (stores) => {
    const old = await stores.ownApiKeys.lockLive(apiKeyId, ownerId, now);
    if (old === undefined) throw apiKeyNotFound();
    const narrowed = await narrowKey(deps, stores, old, change, now);
    await stores.audit.append(
      auditEvent(deps, {
        kind: 'api_key.update',
        outcome: 'success',
        accountId: ownerId,
        actorId: ownerId,
        targetId: apiKeyId,
        origin,
        details: changeDetails(old, narrowed.apiKey),
      }),
    );
    return narrowed;
  });
  await publishRevocations(deps, revocations);
  return apiKey;
}

/** What was changed, for the audit log. */
export function changeDetails(old: ApiKey, next: ApiKey): Readonly<Record<string, string>> {
  const removed = old.scopes.filter((scope) => !next.scopes.includes(scope));
  return {
    scopes_removed: removed.join(' '),
    allowed_cidrs: next.allowedCidrs.join(' '),
    expire_time: next.expireTime === undefined ? '' : new Date(next.expireTime).toISOString(),
  };
}
