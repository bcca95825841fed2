// RotateSigningKey: an operator changes the key that signs, on schedule or because it may be in other hands.

import type { Actor } from '../access/authority.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { AuditedAct, AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import { lockActor } from '../managed-user/act-upon.ts';
import type { ManagedUserStore } from '../managed-user/managed-user-store.ts';
import type { ListedSigningKey, ListSigningKeysDeps } from './list-signing-keys.ts';
import { describeSigningKey } from './list-signing-keys.ts';
import type { NewSigningKey, SigningAlgorithm, SigningKey, SigningKeyStore } from './signing-key.ts';
import { PUBLICATION_LEAD_MS, SPREAD_MS } from './signing-key.ts';

type RotateStores = {
  readonly managedUsers: Pick<ManagedUserStore, 'lock'>;
  readonly signingKeys: SigningKeyStore;
  readonly audit: AuditLog;
};

export type RotateSigningKeyDeps = AuditedDeps<RotateStores> &
  Pick<ListSigningKeysDeps, 'tokenPolicy'> & {
    readonly newSigningKey: NewSigningKey;
    readonly signingAlgorithm: SigningAlgorithm;
    /** The keys of this node, to be read anew. */
    readonly keyset: { reload(): Promise<void> };
    /** Called when they could not be: this node then reads them as the others do, within a second or so. */
    readonly onKeysetFailure: (error: unknown) => void;
  };

export type RotateSigningKeyInput = {
  readonly actor: Actor;
  /** Signs as soon as every node has read it, without waiting until every verifier outside has fetched it. */
  readonly immediately: boolean;
  /** The other keys leave; only with `immediately`. */
  readonly retireOthers: boolean;
  readonly origin: CallOrigin;
};

/**
 * Resolves to the key that signs next. `immediately` brings a key forward that is published already, and makes one otherwise; with
 * `retireOthers` it is always a new one, which signs at once, and what the others have signed is refused from here on. Errors:
 * ROTATION_PENDING, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function rotateSigningKey(
  deps: RotateSigningKeyDeps,
  input: RotateSigningKeyInput,
): Promise<ListedSigningKey> {
  const { actor, immediately, retireOthers, origin } = input;
  const act = {
    kind: 'signing_key.rotate',
    ...(actor.id === undefined ? {} : { actorId: actor.id }),
    origin,
    details: { immediately: String(immediately), retire_others: String(retireOthers) },
  } as const;
  const rotated = await audited(deps, act, async (stores) => {
    await lockActor(stores, actor);
    await stores.signingKeys.lock();
    const before = await stores.signingKeys.list();
    const kid = await nextKid(deps, stores.signingKeys, before, input);
    await stores.audit.append(auditEvent(deps, { ...act, outcome: 'success', targetId: kid }));
    if (retireOthers) await retire(deps, stores, before, act);
    const keys = await stores.signingKeys.list();
    const key = keys.find((candidate) => candidate.kid === kid);
    if (key === undefined) throw new Error(`the signing key ${kid} was not kept`);
    return describeSigningKey(deps, keys, key);
  });
  await deps.keyset.reload().catch(deps.onKeysetFailure);
  return rotated;
}

async function nextKid(
  deps: RotateSigningKeyDeps,
  store: RotateStores['signingKeys'],
  keys: readonly SigningKey[],
  { immediately, retireOthers }: RotateSigningKeyInput,
): Promise<string> {
  const now = deps.clock.now();
  const pending = keys.find((key) => key.activateTime > now);
  if (pending !== undefined && !immediately) throw rotationPending(pending);
  if (pending !== undefined && !retireOthers) {
    await store.setActivateTime(pending.kid, Math.min(pending.activateTime, now + SPREAD_MS));
    return pending.kid;
  }
  // The only key signs from a while ago, so that it signs also on a node whose clock is behind.
  const isOnly = retireOthers || keys.length === 0;
  const delayMs = isOnly ? -PUBLICATION_LEAD_MS : immediately ? SPREAD_MS : PUBLICATION_LEAD_MS;
  const key = await deps.newSigningKey(deps.signingAlgorithm, now, now + delayMs);
  await store.insert(key);
  return key.kid;
}

async function retire(
  deps: RotateSigningKeyDeps,
  stores: RotateStores,
  keys: readonly SigningKey[],
  rotation: AuditedAct,
): Promise<void> {
  for (const { kid } of keys) {
    await stores.signingKeys.delete(kid);
    await stores.audit.append(
      auditEvent(deps, { ...rotation, kind: 'signing_key.retire', outcome: 'success', targetId: kid }),
    );
  }
}

function rotationPending(pending: SigningKey): DomainError {
  const time = new Date(pending.activateTime).toISOString();
  return new DomainError(
    'ROTATION_PENDING',
    `The next key is published already, and signs from ${time} on.`,
    {
      metadata: { kid: pending.kid, activate_time: time },
    },
  );
}
