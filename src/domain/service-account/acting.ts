// Who manages service accounts and their keys, and how far: a credential grants no more than it has, also when it is a key.

import type { Actor } from '../access/authority.ts';
import { requireHolds } from '../access/authority.ts';
import type { RoleStore } from '../access/role.ts';
import { requireScopes } from '../access/access-rule.ts';
import type { ApiKey, ApiKeyStore } from '../api-key/api-key.ts';
import type { KeyBounds } from '../api-key/narrow-key.ts';
import { noteBeyond } from '../api-key/narrow-key.ts';
import { DomainError, validationFailed } from '../errors.ts';
import { actorNow } from '../managed-user/act-upon.ts';
import type { ManagedUserStore } from '../managed-user/managed-user-store.ts';
import { Violations } from '../text.ts';
import type { ServiceAccountStore } from './service-account.ts';

export type ActingStores = {
  readonly managedUsers: Pick<ManagedUserStore, 'lock'>;
  readonly roles: Pick<RoleStore, 'list'>;
  readonly apiKeys: Pick<ApiKeyStore, 'share'>;
  readonly serviceAccounts: Pick<ServiceAccountStore, 'share'>;
};

/** The actor with what they hold now, and the key behind their credential; undefined when they have logged in. */
export type Acting = { readonly holder: Actor; readonly key: ApiKey | undefined };

/** What power over the keys of any service account asks for. */
export const MANAGING_SCOPES: readonly string[] = ['service_accounts:write'];

/**
 * Who acts, locked for share: a transaction that ends their credential waits, so that a credential that has ended leaves nothing behind. To be
 * called once the account and the key that are acted upon are locked. Errors: TOKEN_REVOKED when it has been ended.
 */
export async function actingNow(stores: ActingStores, actor: Actor, now: number): Promise<Acting> {
  const holder = await actorNow(stores, actor);
  if (actor.keyId === undefined) return { holder, key: undefined };
  const key = await stores.apiKeys.share(actor.keyId, now);
  if (key === undefined) throw ended();
  const isPerson = actor.version !== undefined;
  const granted = isPerson ? key.scopes : await stores.serviceAccounts.share(key.ownerId);
  if (granted === undefined) throw ended();
  const scopes = holder.scopes.filter((scope) => key.scopes.includes(scope) && granted.includes(scope));
  return { holder: { ...holder, scopes }, key };
}

/**
 * Refuses who may not manage the key of a service account. A key manages itself; any other asks for `service_accounts:write` and for what it
 * carries. Errors: INSUFFICIENT_SCOPE.
 */
export function requireMayManage({ holder, key }: Acting, target: ApiKey): void {
  if (key?.id === target.id) return;
  requireScopes(holder, MANAGING_SCOPES);
  requireHolds(holder, target.scopes);
}

/**
 * Networks and expiry of a key that is to be made: those asked for, or where none are the calling key's. Errors: VALIDATION_FAILED for what the calling
 * key does not have itself.
 */
export function withinCallingKey<Asked extends Pick<KeyBounds, 'allowedCidrs' | 'expireTime'>>(
  { key }: Acting,
  asked: Asked,
): Asked {
  if (key === undefined) return asked;
  const made = {
    ...asked,
    allowedCidrs: asked.allowedCidrs.length === 0 ? key.allowedCidrs : asked.allowedCidrs,
    expireTime: asked.expireTime ?? key.expireTime,
  };
  const violations = new Violations();
  noteBeyond(violations, made, key, { prefix: '', whose: 'calling key' });
  if (violations.list.length > 0) throw validationFailed(violations.list);
  return made;
}

function ended(): DomainError {
  return new DomainError('TOKEN_REVOKED', 'Your own credential was ended meanwhile.');
}
