// What every new key obeys.

import type { AuditLog } from '../audit/audit-event.ts';
import { DomainError } from '../errors.ts';
import type { Violations } from '../text.ts';
import type { ApiKeyStore, OwnApiKeyStore } from './api-key.ts';

/** How many live keys one person, or one service account, may have. */
export const MAX_LIVE_KEYS = 50;

const MAX_LIFE_MS = 3_650 * 86_400_000;

/** The stores in which a new key of a person comes to be. */
export type KeyStores = {
  readonly apiKeys: Pick<ApiKeyStore, 'insert' | 'revoke' | 'setExpiry'>;
  readonly ownApiKeys: Pick<OwnApiKeyStore, 'lockOwner' | 'countLive' | 'lockLive'>;
  readonly audit: AuditLog;
};

/** Notes an expiry that is past, or more than 10 years off. */
export function checkExpiry(
  violations: Violations,
  field: string,
  expireTime: number | undefined,
  now: number,
): void {
  if (expireTime === undefined) return;
  if (expireTime <= now) violations.add(field, 'must be in the future');
  else if (expireTime > now + MAX_LIFE_MS) violations.add(field, 'must be at most 10 years from now');
}

/** Whose key it is to be. */
export type KeyOwner = {
  readonly ownerId: string;
  /** The owner's epoch that the calling credential was made, or last read, under. */
  readonly ownerVersion: number;
};

/**
 * The role of the owner, whose row is locked from here on: of concurrent creates and rotations, each sees the keys of those before. Errors:
 * USER_NOT_FOUND, also for a service; TOKEN_REVOKED when every credential of the owner was ended meanwhile, so that none of them leaves a key
 * behind.
 */
export async function lockOwner(
  stores: Pick<KeyStores, 'ownApiKeys'>,
  { ownerId, ownerVersion }: KeyOwner,
): Promise<string> {
  const owner = await stores.ownApiKeys.lockOwner(ownerId);
  if (owner === undefined) throw new DomainError('USER_NOT_FOUND', 'The account does not exist any more.');
  if (owner.tokenVersion !== ownerVersion)
    throw new DomainError('TOKEN_REVOKED', 'Your credential was ended meanwhile. Log in again.');
  return owner.role;
}

/** Errors: API_KEY_LIMIT. The owner's row must be locked. */
export async function requireKeyQuota(
  stores: Pick<KeyStores, 'ownApiKeys'>,
  ownerId: string,
  now: number,
): Promise<void> {
  if ((await stores.ownApiKeys.countLive(ownerId, now)) < MAX_LIVE_KEYS) return;
  throw new DomainError(
    'API_KEY_LIMIT',
    `You have ${MAX_LIVE_KEYS} live API keys already. Revoke one first.`,
  );
}

/** API_KEY_NOT_FOUND, the same for another's key as for none. */
export function apiKeyNotFound(): DomainError {
  return new DomainError('API_KEY_NOT_FOUND', 'You have no live API key with this id.');
}

/** INSUFFICIENT_SCOPE that names what the role does not grant. */
export function scopesNotGranted(missing: readonly string[]): DomainError {
  return new DomainError('INSUFFICIENT_SCOPE', `Your role does not grant ${missing.join(' ')}.`, {
    metadata: { missing_scopes: missing.join(' ') },
  });
}
