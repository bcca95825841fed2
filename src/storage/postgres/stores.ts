// All stores over one connection or one transaction, and the transaction itself.

import { setTimeout as delay } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Transact } from '../../domain/transactions.ts';
import { DomainError } from '../../domain/errors.ts';
import { accountArchive } from './account/account-archive.ts';
import { accountDeletionStore } from './account/account-deletion-store.ts';
import { actionTokenStore } from './session/action-token-store.ts';
import { apiKeyStore } from './api-key/api-key-store.ts';
import { auditLog, securityEventReader } from './audit/audit-log.ts';
import { auditNumbers } from './audit/audit-numbers.ts';
import { auditSearcher } from './audit/audit-searcher.ts';
import { auditTrail } from './audit/audit-trail-store.ts';
import { cleanupStore } from './instance/cleanup-store.ts';
import { credentialStore } from './account/credential-store.ts';
import { emailStore } from './account/email-store.ts';
import { hashSampler } from './account/hash-sampler.ts';
import { isRetryable, translateError } from './errors.ts';
import { instanceStore, roleStore } from './instance/instance-store.ts';
import { knownDevices } from './session/known-devices.ts';
import { lockoutStore } from './session/lockout-store.ts';
import { managedUserStore } from './account/managed-user-store.ts';
import { outbox, outboxQueue } from './instance/outbox-store.ts';
import { ownApiKeyStore } from './api-key/own-api-key-store.ts';
import { profileStore } from './account/profile-store.ts';
import { retentionStore } from './instance/retention-store.ts';
import { revocationStore } from './session/revocation-store.ts';
import { roleEditor } from './instance/role-editor.ts';
import type { Database } from './connection.ts';
import type { Tables } from './rows.ts';
import type { RunStatement } from './statement.ts';
import { statementsOver } from './statement.ts';
import { sealingQueue, sealingStore } from './instance/sealing-store.ts';
import { sealedValueStore } from './instance/sealed-value-store.ts';
import { serviceAccountStore, serviceApiKeyStore } from './api-key/service-account-store.ts';
import { sessionStore } from './session/session-store.ts';
import { signingKeyStore } from './instance/signing-key-store.ts';
import { statsKeeper, statsStore } from './audit/stats-store.ts';
import { tokenLifetimeStore } from './session/token-lifetime-store.ts';
import { totpStore } from './account/totp-store.ts';
import { userImportStore } from './account/user-import-store.ts';
import { userDirectory } from './account/user-directory.ts';
import { userLookup } from './account/user-lookup.ts';
import { userStore } from './account/user-store.ts';

/** Every store. */
export type Stores = ReturnType<typeof bareStores>;

const MAX_ATTEMPTS = 5;

function bareStores(tables: Kysely<Tables>, run: RunStatement) {
  return {
    users: userStore(tables, run),
    userImports: userImportStore(tables),
    userDirectory: userDirectory(tables),
    sessions: sessionStore(tables, run),
    revocations: revocationStore(tables),
    tokenLifetimes: tokenLifetimeStore(tables),
    roles: roleStore(tables),
    roleEditor: roleEditor(tables),
    apiKeys: apiKeyStore(tables),
    ownApiKeys: ownApiKeyStore(tables),
    serviceAccounts: serviceAccountStore(tables),
    serviceApiKeys: serviceApiKeyStore(tables),
    signingKeys: signingKeyStore(tables),
    audit: auditLog(run),
    securityEvents: securityEventReader(tables),
    auditSearcher: auditSearcher(tables),
    auditNumbers: auditNumbers(tables),
    sealing: sealingStore(tables),
    sealingQueue: sealingQueue(tables),
    retention: retentionStore(tables),
    auditTrail: auditTrail(tables),
    actionTokens: actionTokenStore(tables),
    credentials: credentialStore(tables),
    emails: emailStore(tables),
    hashSampler: hashSampler(tables),
    lockouts: lockoutStore(tables, run),
    totpFactors: totpStore(tables),
    knownDevices: knownDevices(run),
    profiles: profileStore(tables),
    managedUsers: managedUserStore(tables),
    accountDeletions: accountDeletionStore(tables),
    accountArchive: accountArchive(tables),
    outbox: outbox(tables),
    outboxQueue: outboxQueue(tables),
    cleanup: cleanupStore(tables),
    stats: statsStore(tables),
    statsKeeper: statsKeeper(tables),
    instance: instanceStore(tables),
    sealedValues: sealedValueStore(tables),
  };
}

/** The stores outside any transaction: each call is one of its own. Errors: STORAGE_UNAVAILABLE when the database is away. */
export function openStores({ tables, run }: Pick<Database, 'tables' | 'run'>): Stores {
  const stores = bareStores(tables, run);
  return allTranslating({ ...stores, users: { ...stores.users, findById: userLookup(run) } });
}

/** Transactions over these tables; see Transact for what they promise. */
export function openTransactions(tables: Kysely<Tables>): Transact<Stores> {
  return async (work) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await tables
          .transaction()
          .execute((transaction) => work(bareStores(transaction, statementsOver(transaction))));
      } catch (error) {
        if (!isRetryable(error)) throw translateError(error);
        if (attempt >= MAX_ATTEMPTS) {
          throw new DomainError('CONFLICT', 'Other calls changed the same data meanwhile. Try again.', {
            retryAfterMs: 100,
            cause: error,
          });
        }
        // Spreads those that collided, so that they do not collide again.
        await delay(Math.random() * 10 * 2 ** attempt);
      }
    }
  };
}

type AsyncMethods = Record<string, (...inputs: never[]) => Promise<unknown>>;

function allTranslating<All extends Record<string, AsyncMethods>>(stores: All): All {
  const translated = Object.entries(stores).map(([name, store]) => [name, translating(store)] as const);
  return { ...stores, ...Object.fromEntries(translated) };
}

function translating<Store extends AsyncMethods>(store: Store): Store {
  const wrap =
    (method: (...inputs: never[]) => Promise<unknown>) =>
    (...inputs: never[]) =>
      method(...inputs).catch((error: unknown) => {
        throw translateError(error);
      });
  const wrapped = Object.fromEntries(Object.entries(store).map(([name, method]) => [name, wrap(method)]));
  return { ...store, ...wrapped };
}
