// DeleteRole: deletes a role that no account has.

import type { AuditLog } from '../audit/audit-event.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import { lockActor } from '../managed-user/act-upon.ts';
import type { ManagedUserStore } from '../managed-user/managed-user-store.ts';
import { requireHolds, stillHolding } from './authority.ts';
import type { RefreshRolesDeps } from './refresh-roles.ts';
import { refreshRoles } from './refresh-roles.ts';
import type { RoleCaller } from './role-act.ts';
import { roleAct } from './role-act.ts';
import type { RoleEditor } from './role-store.ts';
import { requireMayTouch, roleNotFound, roleProtected } from './role-rules.ts';
import { effectiveScopes, RoleDirectory } from './role.ts';
import type { Role } from './role.ts';

type DeleteStores = {
  readonly managedUsers: Pick<ManagedUserStore, 'lock'>;
  readonly roleEditor: Pick<RoleEditor, 'lockAll' | 'lockUsersOf' | 'delete'>;
  readonly audit: AuditLog;
};

export type DeleteRoleDeps = AuditedDeps<DeleteStores> & RefreshRolesDeps;

export type DeleteRoleInput = RoleCaller & { readonly name: string };

/**
 * Takes the role away. Errors: ROLE_NOT_FOUND, ROLE_PROTECTED (a built-in one, the actor's own), INSUFFICIENT_SCOPE (it grants what the actor
 * lacks), ROLE_IN_USE (an account has it, another role inherits it), CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function deleteRole(deps: DeleteRoleDeps, input: DeleteRoleInput): Promise<void> {
  const { actor, name } = input;
  const act = roleAct('role.delete', input, name);
  await audited(deps, act, async ({ managedUsers, roleEditor, audit }) => {
    await lockActor({ managedUsers }, actor);
    const roles = await roleEditor.lockAll();
    const role = roles.find((candidate) => candidate.name === name);
    if (role === undefined) throw roleNotFound(name);
    requireMayTouch(actor, name);
    if (role.builtIn) throw roleProtected(`${name} is built in: every installation has it.`);
    requireHolds(
      stillHolding({ roleDirectory: RoleDirectory.of(roles) }, actor),
      effectiveScopes(role, roles),
    );
    requireNoHeir(name, roles);
    requireNoUser(name, await roleEditor.lockUsersOf(name));
    await roleEditor.delete(name);
    const details = { scopes: role.scopes.join(' '), inherits: role.inherits ?? '' };
    await audit.append(auditEvent(deps, { ...act, outcome: 'success', details }));
  });
  await refreshRoles(deps);
}

function requireNoHeir(name: string, roles: readonly Role[]): void {
  const heirs = roles.filter(({ inherits }) => inherits === name);
  if (heirs.length === 0) return;
  throw new DomainError(
    'ROLE_IN_USE',
    `${name} is inherited by ${heirs.map((role) => role.name).join(', ')}.`,
    {
      metadata: { role_count: String(heirs.length) },
    },
  );
}

function requireNoUser(name: string, count: number): void {
  if (count === 0) return;
  const accounts = count === 1 ? '1 account has' : `${count} accounts have`;
  throw new DomainError('ROLE_IN_USE', `${accounts} the role ${name}. Give them another one first.`, {
    metadata: { user_count: String(count) },
  });
}
