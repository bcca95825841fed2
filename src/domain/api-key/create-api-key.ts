// CreateApiKey: a key by which programs act for a person.

import type { RoleDirectory } from '../access/role.ts';
import type { CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Transact } from '../transactions.ts';
import type { KeyOwner, KeyStores } from './key-rules.ts';
import { lockOwner, requireKeyQuota, scopesNotGranted } from './key-rules.ts';
import type { CreatedApiKey, MakeApiKeyDeps } from './make-api-key.ts';
import { makeApiKey } from './make-api-key.ts';

export type CreateApiKeyDeps = MakeApiKeyDeps & {
  readonly transact: Transact<KeyStores>;
  readonly roleDirectory: Pick<RoleDirectory, 'grantedBy'>;
};

export type CreateApiKeyInput = KeyOwner & {
  readonly displayName: string;
  readonly scopes: readonly string[];
  readonly allowedCidrs: readonly string[];
  readonly expireTime: number | undefined;
  readonly origin: CallOrigin;
};

/**
 * Makes a key of the user's with scopes that the user's role grants at this moment. Errors: INSUFFICIENT_SCOPE (names what the role does not
 * grant), API_KEY_LIMIT, TOKEN_REVOKED, USER_NOT_FOUND, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function createApiKey(deps: CreateApiKeyDeps, input: CreateApiKeyInput): Promise<CreatedApiKey> {
  const outcome = await deps.transact(async (stores) => {
    const granted = deps.roleDirectory.grantedBy(await lockOwner(stores, input));
    const missing = input.scopes.filter((scope) => !granted.has(scope));
    if (missing.length > 0) return refuse(deps, stores, input, scopesNotGranted(missing));
    const now = deps.clock.now();
    await requireKeyQuota(stores, input.ownerId, now);
    const { ownerId, displayName, scopes, allowedCidrs, expireTime, origin } = input;
    return makeApiKey(
      deps,
      stores,
      { ownerId, ownerKind: 'user', displayName, scopes, allowedCidrs, createTime: now, expireTime },
      (targetId) => ({
        kind: 'api_key.create',
        accountId: ownerId,
        actorId: ownerId,
        targetId,
        origin,
        details: { scopes: scopes.join(' ') },
      }),
    );
  });
  if (outcome instanceof DomainError) throw outcome;
  return outcome;
}

// An attempt at more than one may do is worth a line that its transaction keeps.
async function refuse(
  deps: Stamp,
  stores: Pick<KeyStores, 'audit'>,
  { ownerId, origin }: CreateApiKeyInput,
  error: DomainError,
): Promise<DomainError> {
  await stores.audit.append(
    auditEvent(deps, {
      kind: 'api_key.create',
      outcome: 'refused',
      reason: error.reason,
      accountId: ownerId,
      actorId: ownerId,
      origin,
      details: { ...error.metadata },
    }),
  );
  return error;
}
