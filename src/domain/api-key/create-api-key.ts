// CreateApiKey: a key by which programs act for a person.

import type { RoleDirectory } from '../access/role.ts';
import type { CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Transact } from '../transactions.ts';
import type { ApiKey, ApiKeyCodec, NewApiKey } from './api-key.ts';
import type { KeyStores } from './key-rules.ts';
import { holdOwner, requireRoom, scopesNotGranted } from './key-rules.ts';

export type CreateApiKeyDeps = Stamp & {
  readonly transact: Transact<KeyStores>;
  readonly roleDirectory: Pick<RoleDirectory, 'grantedBy'>;
  readonly apiKeyCodec: Pick<ApiKeyCodec, 'create'>;
};

export type CreateApiKeyInput = {
  readonly ownerId: string;
  readonly displayName: string;
  readonly scopes: readonly string[];
  readonly allowedCidrs: readonly string[];
  readonly expireTime: number | undefined;
  readonly origin: CallOrigin;
};

/** A key and its secret, which is kept nowhere. */
export type CreatedApiKey = { readonly apiKey: ApiKey; readonly secret: string };

/**
 * Makes a key of the user's with scopes that the user's role grants at this moment. Errors: INSUFFICIENT_SCOPE (names what the role does not
 * grant), API_KEY_LIMIT, USER_NOT_FOUND, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function createApiKey(deps: CreateApiKeyDeps, input: CreateApiKeyInput): Promise<CreatedApiKey> {
  const outcome = await deps.transact(async (stores) => {
    const granted = deps.roleDirectory.grantedBy(await holdOwner(stores, input.ownerId));
    const missing = input.scopes.filter((scope) => !granted.has(scope));
    if (missing.length > 0) return refuse(deps, stores, input, scopesNotGranted(missing));
    const now = deps.clock.now();
    await requireRoom(stores, input.ownerId, now);
    const { ownerId, displayName, scopes, allowedCidrs, expireTime } = input;
    const created = newApiKey(deps, {
      ownerId,
      displayName,
      scopes,
      allowedCidrs,
      createTime: now,
      expireTime,
    });
    await stores.apiKeys.insert(created.row);
    await stores.audit.append(
      auditEvent(deps, {
        kind: 'api_key.create',
        outcome: 'success',
        accountId: ownerId,
        actorId: ownerId,
        targetId: created.row.id,
        origin: input.origin,
        details: { scopes: scopes.join(' ') },
      }),
    );
    return created;
  });
  if (outcome instanceof DomainError) throw outcome;
  return { apiKey: outcome.apiKey, secret: outcome.secret };
}

/** A key of a person with id and secret: as it is stored, and as its owner sees it. */
export function newApiKey(
  deps: { readonly newId: Stamp['newId']; readonly apiKeyCodec: Pick<ApiKeyCodec, 'create'> },
  content: Omit<NewApiKey, 'id' | 'digest' | 'ownerKind'>,
): CreatedApiKey & { readonly row: NewApiKey } {
  const id = deps.newId();
  const { text, digest } = deps.apiKeyCodec.create(id);
  return {
    row: { ...content, id, digest, ownerKind: 'user' },
    apiKey: { ...content, id, lastUsedTime: undefined, useCount: 0n },
    secret: text,
  };
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
