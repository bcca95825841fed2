// Keeps the keyset in order: there is always a key that signs, its successor is published in time, and old ones go.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { Transact } from '../transactions.ts';
import type { NewSigningKey, SigningAlgorithm, SigningKey, SigningKeyStore } from './signing-key.ts';
import { PUBLICATION_LEAD_MS, retiredKeys, signingKeyAt } from './signing-key.ts';

export type MaintainKeysDeps = Stamp & {
  readonly signingKeys: Pick<SigningKeyStore, 'list'>;
  readonly transact: Transact<{
    readonly signingKeys: Pick<SigningKeyStore, 'list' | 'insert' | 'delete' | 'lock'>;
    readonly audit: AuditLog;
  }>;
  readonly newSigningKey: NewSigningKey;
  readonly signingAlgorithm: SigningAlgorithm;
  /** How long one key signs. */
  readonly rotationMs: number;
  readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
};

const BY_ITSELF: CallOrigin = { ipAddress: '', userAgent: '', requestId: '' };

/**
 * Publishes the next key when the current one is old (or signs with another algorithm than configured), and drops those that no token in
 * date was signed by. Any number of nodes may call it: one at a time looks and writes.
 */
export async function maintainSigningKeys(deps: MaintainKeysDeps): Promise<void> {
  const keys = await deps.signingKeys.list();
  if (!needsWork(deps, keys)) return;
  await deps.transact(async (stores) => {
    await stores.signingKeys.lock();
    const current = await stores.signingKeys.list();
    const next = await nextKey(deps, current);
    if (next !== undefined) {
      await stores.signingKeys.insert(next);
      await stores.audit.append(
        auditEvent(deps, {
          kind: 'signing_key.create',
          outcome: 'success',
          targetId: next.kid,
          origin: BY_ITSELF,
        }),
      );
    }
    for (const key of retired(deps, current)) await stores.signingKeys.delete(key.kid);
  });
}

function needsWork(deps: MaintainKeysDeps, keys: readonly SigningKey[]): boolean {
  return successorTime(deps, keys) !== undefined || retired(deps, keys).length > 0;
}

function retired(deps: MaintainKeysDeps, keys: readonly SigningKey[]): readonly SigningKey[] {
  return retiredKeys(keys, deps.clock.now(), deps.tokenPolicy.accessTokenTtlMs);
}

async function nextKey(deps: MaintainKeysDeps, keys: readonly SigningKey[]): Promise<SigningKey | undefined> {
  const activateTime = successorTime(deps, keys);
  if (activateTime === undefined) return undefined;
  return deps.newSigningKey(deps.signingAlgorithm, deps.clock.now(), activateTime);
}

/**
 * When the next key should begin to sign; undefined while none is needed. The very first signs at once, as no verifier has fetched a set yet,
 * and from a while ago, so that it signs also on a node whose clock is behind.
 */
function successorTime(deps: MaintainKeysDeps, keys: readonly SigningKey[]): number | undefined {
  const now = deps.clock.now();
  const current = signingKeyAt(keys, now);
  if (current === undefined) return keys.length === 0 ? now - PUBLICATION_LEAD_MS : undefined;
  if (keys.some((key) => key.activateTime > now)) return undefined;
  const isOld = now - current.activateTime >= deps.rotationMs - PUBLICATION_LEAD_MS;
  return isOld || current.algorithm !== deps.signingAlgorithm ? now + PUBLICATION_LEAD_MS : undefined;
}
