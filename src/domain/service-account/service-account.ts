// Service accounts: programs that hold API keys of their own.

import type { ApiKey } from '../api-key/api-key.ts';
import { MAX_LIVE_KEYS } from '../api-key/key-rules.ts';
import { DomainError } from '../errors.ts';
import type { PagePosition } from '../paging.ts';
import type { Violations } from '../text.ts';

/** A new service account. Times are epoch milliseconds. */
export type NewServiceAccount = {
  readonly id: string;
  readonly name: string;
  /** The most that a key of it may carry. */
  readonly scopes: readonly string[];
  readonly createTime: number;
};

/** An account as operators see it. */
export type ServiceAccount = NewServiceAccount & {
  /** Those that are neither revoked nor expired, newest first. */
  readonly apiKeys: readonly ApiKey[];
};

/** Port: where service accounts are kept. */
export type ServiceAccountStore = {
  /** False when the name is taken; then nothing is written. */
  insert(account: NewServiceAccount): Promise<boolean>;
  /**
   * The scopes of the active account, locked for update: transactions that make keys for the same account wait. Undefined
   * when there is none.
   */
  lock(id: string): Promise<readonly string[] | undefined>;
  /** The scopes of the active account, locked for share: a transaction that deletes it waits. */
  share(id: string): Promise<readonly string[] | undefined>;
  /** Deletes the account, which the caller has locked: its name is free again. Resolves to its new epoch, below which no credential of it is valid. */
  delete(id: string): Promise<number>;
  /** Newest first, strictly older than `before`. */
  list(query: {
    readonly before: PagePosition | undefined;
    readonly limit: number;
  }): Promise<readonly NewServiceAccount[]>;
};

/** Port: the keys of service accounts, as operators deal with them. What is a person's is not there. */
export type ServiceApiKeyStore = {
  /** How many of the account's keys are neither revoked nor expired. */
  countLive(accountId: string, now: number): Promise<number>;
  /** The keys of these accounts that are neither revoked nor expired, newest first. */
  listLive(accountIds: readonly string[], now: number): Promise<readonly ApiKey[]>;
  /** Ends every live key of the account, and resolves to the ids of all that it ever had. */
  endAll(accountId: string, now: number): Promise<readonly string[]>;
  /** A service's key that is not revoked; locked for update. */
  lock(id: string): Promise<ApiKey | undefined>;
  /** As `lock`, also when it is revoked. */
  lockEnded(id: string): Promise<ApiKey | undefined>;
};

const NAME = /^[a-z][a-z0-9_-]{1,49}$/;

/** The name as it stands; notes the rule when it breaks it. */
export function readServiceName(violations: Violations, field: string, raw: string): string {
  if (raw === '') violations.add(field, 'is required');
  else if (!NAME.test(raw))
    violations.add(field, 'must be 2 to 50 lower-case letters, digits, `-` and `_`, beginning with a letter');
  return raw;
}

/** API_KEY_NOT_FOUND, the same for a person's key as for none. */
export function serviceKeyNotFound(): DomainError {
  return new DomainError('API_KEY_NOT_FOUND', 'No service account has a live API key with this id.');
}

/** API_KEY_LIMIT. */
export function keyLimitReached(): DomainError {
  return new DomainError(
    'API_KEY_LIMIT',
    `The service account has ${MAX_LIVE_KEYS} live API keys already. Revoke one first.`,
  );
}

/** SERVICE_ACCOUNT_NOT_FOUND. */
export function serviceAccountNotFound(): DomainError {
  return new DomainError('SERVICE_ACCOUNT_NOT_FOUND', 'There is no service account with this id.');
}
