// First start: an administrator and a gateway that may ask about tokens.

import type { EmailAddress } from '../account/email-address.ts';
import type { PasswordHasher } from '../password/password-hasher.ts';
import type { UserStore } from '../account/user-store.ts';
import type { ApiKeyCodec, ApiKeyStore } from '../api-key/api-key.ts';
import { makeApiKey } from '../api-key/make-api-key.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { InstanceStore } from './instance-store.ts';
import type { ServiceAccountStore } from '../service-account/service-account.ts';
import type { Transact } from '../transactions.ts';

type BootstrapStores = {
  readonly instance: Pick<InstanceStore, 'markBootstrapped'>;
  readonly users: Pick<UserStore, 'insert'>;
  readonly serviceAccounts: Pick<ServiceAccountStore, 'insert'>;
  readonly apiKeys: Pick<ApiKeyStore, 'insert'>;
  readonly audit: AuditLog;
};

export type BootstrapDeps = Stamp & {
  readonly instance: Pick<InstanceStore, 'isBootstrapped'>;
  readonly transact: Transact<BootstrapStores>;
  readonly passwordHasher: Pick<PasswordHasher, 'hash'>;
  readonly apiKeyCodec: Pick<ApiKeyCodec, 'create'>;
  /** A password that no policy refuses, with at least 128 bits of entropy. */
  readonly newPassword: () => string;
  /**
   * Puts the secrets where their owner finds them. Runs before the commit: when it fails nothing has happened, and the next start tries
   * again.
   */
  readonly deliver: (secrets: BootstrapSecrets) => Promise<void>;
};

/** Shown once. */
export type BootstrapSecrets = {
  readonly adminEmail: string;
  readonly adminPassword: string;
  readonly gatewayApiKey: string;
};

/** The scope of the gateway's key. */
export const GATEWAY_SCOPES: readonly string[] = ['tokens:validate'];

const FROM_COMMAND_LINE: CallOrigin = { ipAddress: '', userAgent: 'latchkey bootstrap', requestId: '' };

/**
 * Creates a super_admin and the service account `gateway` with one API key, once in the life of a database. Resolves to the secrets, or to
 * undefined when that was done before. Errors: EMAIL_TAKEN is impossible on an empty database; STORAGE_UNAVAILABLE.
 */
export async function bootstrap(
  deps: BootstrapDeps,
  adminEmail: EmailAddress,
): Promise<BootstrapSecrets | undefined> {
  if (await deps.instance.isBootstrapped()) return undefined;
  const adminPassword = deps.newPassword();
  const passwordHash = await deps.passwordHasher.hash(adminPassword);
  return deps.transact(async (stores) => {
    const now = deps.clock.now();
    if (!(await stores.instance.markBootstrapped(now))) return undefined;
    await createAdministrator(deps, stores, adminEmail, passwordHash, now);
    const gatewayApiKey = await createGateway(deps, stores, now);
    const secrets = { adminEmail: adminEmail.text, adminPassword, gatewayApiKey };
    await deps.deliver(secrets);
    return secrets;
  });
}

async function createAdministrator(
  deps: BootstrapDeps,
  stores: BootstrapStores,
  email: EmailAddress,
  passwordHash: string,
  now: number,
) {
  const id = deps.newId();
  await stores.users.insert({
    id,
    email,
    username: { text: 'admin', key: 'admin' },
    fullName: 'Administrator',
    passwordHash,
    role: 'super_admin',
    emailVerified: true,
    createTime: now,
  });
  await stores.audit.append(
    auditEvent(deps, {
      kind: 'instance.bootstrap',
      outcome: 'success',
      targetId: id,
      origin: FROM_COMMAND_LINE,
    }),
  );
}

async function createGateway(deps: BootstrapDeps, stores: BootstrapStores, now: number): Promise<string> {
  const ownerId = deps.newId();
  await stores.serviceAccounts.insert({
    id: ownerId,
    name: 'gateway',
    scopes: GATEWAY_SCOPES,
    createTime: now,
  });
  const { secret } = await makeApiKey(
    deps,
    stores,
    {
      ownerId,
      ownerKind: 'service',
      displayName: 'Made at the first start',
      scopes: GATEWAY_SCOPES,
      allowedCidrs: [],
      createTime: now,
      expireTime: undefined,
    },
    (targetId) => ({ kind: 'api_key.create', targetId, origin: FROM_COMMAND_LINE }),
  );
  return secret;
}
