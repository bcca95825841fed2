// RevokeApiKey: the end of a key, by its owner.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { Transact } from '../transactions.ts';
import type { OwnApiKeyStore } from './api-key.ts';
import { apiKeyNotFound } from './key-rules.ts';

type RevokeStores = {
  readonly ownApiKeys: Pick<OwnApiKeyStore, 'revokeOwn'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly audit: AuditLog;
};

export type RevokeApiKeyDeps = Stamp &
  PublishRevocationsDeps & {
    readonly transact: Transact<RevokeStores>;
    readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
  };

export type RevokeApiKeyInput = {
  readonly ownerId: string;
  readonly apiKeyId: string;
  readonly origin: CallOrigin;
};

/**
 * Ends the key and the tokens exchanged for it, at once and on every node; an expired one leaves the list. Errors: API_KEY_NOT_FOUND (also
 * for another's key and a revoked one), CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function revokeApiKey(deps: RevokeApiKeyDeps, input: RevokeApiKeyInput): Promise<void> {
  const { ownerId, apiKeyId, origin } = input;
  const now = deps.clock.now();
  const revoked = revocation({ form: 'session', id: apiKeyId }, now, deps.tokenPolicy.accessTokenTtlMs);
  const kept = await deps.transact(async (stores) => {
    if (!(await stores.ownApiKeys.revokeOwn(apiKeyId, ownerId, now))) throw apiKeyNotFound();
    const kept = await stores.revocations.insert(revoked);
    await stores.audit.append(
      auditEvent(deps, {
        kind: 'api_key.revoke',
        outcome: 'success',
        accountId: ownerId,
        actorId: ownerId,
        targetId: apiKeyId,
        origin,
      }),
    );
    return kept;
  });
  await publishRevocations(deps, [kept]);
}
