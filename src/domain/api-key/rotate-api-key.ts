// RotateApiKey: a new key in the place of an old one, which lives on for a while.

import { intersectScopes } from '../access/scope.ts';
import type { CallOrigin } from '../audit/audit-event.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { Transact } from '../transactions.ts';
import type { CreateApiKeyDeps } from './create-api-key.ts';
import { endOldKey } from './end-old-key.ts';
import type { KeyOwner, KeyStores } from './key-rules.ts';
import { apiKeyNotFound, lockOwner, requireKeyQuota, scopesNotGranted } from './key-rules.ts';
import type { CreatedApiKey } from './make-api-key.ts';
import { makeApiKey } from './make-api-key.ts';

type RotateStores = KeyStores & { readonly revocations: Pick<RevocationStore, 'insert'> };

export type RotateApiKeyDeps = Omit<CreateApiKeyDeps, 'transact'> &
  PublishRevocationsDeps & {
    readonly transact: Transact<RotateStores>;
    readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
  };

export type RotateApiKeyInput = KeyOwner & {
  readonly apiKeyId: string;
  /** How long the old key lives on, in milliseconds; 0 ends it at once. */
  readonly overlapMs: number;
  readonly origin: CallOrigin;
};

/** The longest overlap. */
export const MAX_OVERLAP_MS = 30 * 86_400_000;
/** The overlap when none is asked for. */
export const DEFAULT_OVERLAP_MS = 86_400_000;

/**
 * Makes a key with the name, networks and expiry of the old one, and as many of its scopes as the owner's role grants now. The old one ends
 * after the overlap, on every node and with the tokens exchanged for it. Errors: API_KEY_NOT_FOUND (also for another's key, an expired and
 * a revoked one), INSUFFICIENT_SCOPE (the role grants none of the scopes), API_KEY_LIMIT (with an overlap both keys count), TOKEN_REVOKED, USER_NOT_FOUND,
 * CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function rotateApiKey(deps: RotateApiKeyDeps, input: RotateApiKeyInput): Promise<CreatedApiKey> {
  const { created, ended } = await deps.transact(async (stores) => {
    const granted = deps.roleDirectory.grantedBy(await lockOwner(stores, input));
    const now = deps.clock.now();
    const old = await stores.ownApiKeys.lockLive(input.apiKeyId, input.ownerId, now);
    if (old === undefined) throw apiKeyNotFound();
    const scopes = intersectScopes(old.scopes, granted);
    if (scopes.length === 0) throw scopesNotGranted(old.scopes);
    const ended = await endOldKey(deps, stores, old, { now, endTime: now + input.overlapMs });
    await requireKeyQuota(stores, input.ownerId, now);
    const { ownerId, displayName, allowedCidrs, expireTime } = old;
    const created = await makeApiKey(
      deps,
      stores,
      { ownerId, ownerKind: 'user', displayName, scopes, allowedCidrs, createTime: now, expireTime },
      (successor) => ({
        kind: 'api_key.rotate',
        accountId: ownerId,
        actorId: ownerId,
        targetId: old.id,
        origin: input.origin,
        details: { successor },
      }),
    );
    return { created, ended };
  });
  await publishRevocations(deps, ended);
  return created;
}
