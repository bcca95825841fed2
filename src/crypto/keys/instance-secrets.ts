// The keys of the installation that live as long as it does: kept in the database, sealed, so that the master key can be changed under them.

import { randomBytes } from 'node:crypto';
import type { InstanceStore } from '../../domain/instance/instance-store.ts';
import { MASTER_KEY_CHECK, SECRET_PREFIX } from '../../domain/instance/instance-store.ts';
import type { Transact } from '../../domain/transactions.ts';
import type { Keyring, Sealer } from './keyring.ts';
import { applyChange, checkKeyring, masterKeyMark } from './master-key-check.ts';

/** What instance secrets are sealed for; the context is the name of the fact that holds one. */
export const INSTANCE_SECRET_PURPOSE = 'instance-secret';

/** Those that were derived from the master key before there were secrets. */
const FORMERLY_DERIVED = ['refresh-token', 'session-cookie', 'backup-code', 'audit-chain'] as const;
/** What the installation has a secret for. */
export const INSTANCE_SECRETS = [...FORMERLY_DERIVED, 'device-token', 'api-key', 'stand-in'] as const;
const LENGTH = 32;

/** 32 bytes for each use. */
export type InstanceSecrets = Readonly<Record<(typeof INSTANCE_SECRETS)[number], Uint8Array>>;

export type OpenInstanceDeps = {
  readonly instance: InstanceStore;
  readonly transact: Transact<{ readonly instance: InstanceStore }>;
};

/**
 * Checks the master keys against the database and opens its secrets; a new database gets both from whichever node is first. Errors:
 * WrongMasterKeyError, UnsealError, STORAGE_UNAVAILABLE.
 */
export async function openInstance(keyring: Keyring, deps: OpenInstanceDeps): Promise<InstanceSecrets> {
  for (;;) {
    const facts = await deps.instance.listFacts();
    if (!(await isChanged(keyring, deps, facts))) return openSecrets(keyring, facts);
  }
}

/** Brings one step into the database that it lacks; false when it lacks nothing. */
async function isChanged(
  keyring: Keyring,
  deps: OpenInstanceDeps,
  facts: ReadonlyMap<string, string>,
): Promise<boolean> {
  if (!facts.has(MASTER_KEY_CHECK)) {
    await deps.transact(({ instance }) => begin(keyring, instance));
    return true;
  }
  const change = checkKeyring(keyring, facts);
  if (change !== undefined) {
    await applyChange(deps.instance, change);
    return true;
  }
  const missing = INSTANCE_SECRETS.filter((name) => !facts.has(SECRET_PREFIX + name));
  // A database from before there were secrets: what was derived from its master key then must stay as it is.
  const former = keyring.keyOf(Buffer.from(facts.get(MASTER_KEY_CHECK) ?? '', 'base64')) ?? keyring.primary;
  for (const name of missing) {
    const secret = isFormerlyDerived(name) ? former.derive(name) : randomBytes(LENGTH);
    await insertSecret(keyring, deps.instance, name, secret);
  }
  return missing.length > 0;
}

function isFormerlyDerived(name: string): boolean {
  return FORMERLY_DERIVED.some((derived) => derived === name);
}

async function begin(keyring: Keyring, instance: InstanceStore): Promise<void> {
  if (!(await instance.insertFact(MASTER_KEY_CHECK, masterKeyMark(keyring)))) return;
  for (const name of INSTANCE_SECRETS) await insertSecret(keyring, instance, name, randomBytes(LENGTH));
}

function insertSecret(
  sealer: Sealer,
  instance: Pick<InstanceStore, 'insertFact'>,
  name: string,
  secret: Uint8Array,
): Promise<boolean> {
  const fact = SECRET_PREFIX + name;
  const sealed = Buffer.from(sealer.seal(INSTANCE_SECRET_PURPOSE, fact, secret));
  return instance.insertFact(fact, sealed.toString('base64'));
}

function openSecrets(sealer: Sealer, facts: ReadonlyMap<string, string>): InstanceSecrets {
  const open = (name: (typeof INSTANCE_SECRETS)[number]) => {
    const fact = SECRET_PREFIX + name;
    return sealer.unseal(INSTANCE_SECRET_PURPOSE, fact, Buffer.from(facts.get(fact) ?? '', 'base64'));
  };
  return {
    'refresh-token': open('refresh-token'),
    'session-cookie': open('session-cookie'),
    'backup-code': open('backup-code'),
    'audit-chain': open('audit-chain'),
    'device-token': open('device-token'),
    'api-key': open('api-key'),
    'stand-in': open('stand-in'),
  };
}
