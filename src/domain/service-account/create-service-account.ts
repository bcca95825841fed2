// CreateServiceAccount: makes a program known.

import type { Actor } from '../access/authority.ts';
import { requireHolds } from '../access/authority.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import { auditEvent } from '../audit/record.ts';
import type { AccessTokenSizer } from '../access/token-size.ts';
import { oversize } from '../access/token-size.ts';
import { DomainError, validationFailed } from '../errors.ts';
import type { ActingStores } from './acting.ts';
import { actingNow } from './acting.ts';
import type { ServiceAccount, ServiceAccountStore } from './service-account.ts';

export type CreateServiceAccountDeps = AuditedDeps<
  ActingStores & {
    readonly serviceAccounts: Pick<ServiceAccountStore, 'insert'>;
    readonly audit: AuditLog;
  }
> & { readonly accessTokenSizer: AccessTokenSizer };

export type CreateServiceAccountInput = {
  readonly actor: Actor;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly origin: CallOrigin;
};

/**
 * A new account, without keys. Errors: VALIDATION_FAILED (scopes that make an access token larger than a call can carry), INSUFFICIENT_SCOPE (a scope that the actor lacks), NAME_TAKEN, CONFLICT,
 * STORAGE_UNAVAILABLE.
 */
export async function createServiceAccount(
  deps: CreateServiceAccountDeps,
  input: CreateServiceAccountInput,
): Promise<ServiceAccount> {
  const { actor, name, scopes, origin } = input;
  const violation = oversize(deps.accessTokenSizer, {
    field: 'scopes',
    owner: 'the service account',
    role: '',
    scopes,
  });
  if (violation !== undefined) throw validationFailed([violation]);
  const act = {
    kind: 'service_account.create',
    ...(actor.id === undefined ? {} : { actorId: actor.id }),
    origin,
    details: { name, scopes: scopes.join(' ') },
  } as const;
  return audited(deps, act, async (stores) => {
    const now = deps.clock.now();
    const { holder } = await actingNow(stores, actor, now);
    requireHolds(holder, scopes);
    const account = { id: deps.newId(), name, scopes, createTime: now };
    if (!(await stores.serviceAccounts.insert(account))) {
      throw new DomainError('NAME_TAKEN', 'Another service account has this name.');
    }
    await stores.audit.append(auditEvent(deps, { ...act, outcome: 'success', targetId: account.id }));
    return { ...account, apiKeys: [] };
  });
}
