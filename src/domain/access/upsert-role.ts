// UpsertRole: makes a role, or changes what it grants.

import type { AuditLog } from '../audit/audit-event.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import { auditEvent } from '../audit/record.ts';
import { validationFailed } from '../errors.ts';
import { lockActor } from '../managed-user/act-upon.ts';
import type { ManagedUserStore } from '../managed-user/managed-user-store.ts';
import { stillHolding } from './authority.ts';
import type { RoleReport } from './list-roles.ts';
import { reportOf } from './list-roles.ts';
import type { RefreshRolesDeps } from './refresh-roles.ts';
import { refreshRoles } from './refresh-roles.ts';
import type { RoleCaller } from './role-act.ts';
import { roleAct } from './role-act.ts';
import type { RoleEditor, StoredRole } from './role-store.ts';
import {
  MAX_ROLES,
  requireAuthorityOverChange,
  requireGoodParent,
  requireKeepsBuiltIn,
  requireMayTouch,
} from './role-rules.ts';
import type { Role } from './role.ts';
import { effectiveScopes, RoleDirectory } from './role.ts';
import type { AccessTokenSizer } from './token-size.ts';
import { oversize } from './token-size.ts';

type UpsertStores = {
  readonly managedUsers: Pick<ManagedUserStore, 'lock'>;
  readonly roleEditor: Pick<RoleEditor, 'lockAll' | 'upsert' | 'countUsers'>;
  readonly audit: AuditLog;
};

export type UpsertRoleDeps = AuditedDeps<UpsertStores> &
  RefreshRolesDeps & { readonly accessTokenSizer: AccessTokenSizer };

/** `role` is as it shall be. */
export type UpsertRoleInput = RoleCaller & { readonly role: Role };

/**
 * The role as it is now. One change of roles happens at a time. What it grants counts here when this resolves, on other nodes within their next
 * poll. Errors: ROLE_PROTECTED, ROLE_NOT_FOUND (what it inherits), INSUFFICIENT_SCOPE, VALIDATION_FAILED (roles that would inherit each other,
 * too many roles, scopes
 * that make a token of some role larger than a call can carry), CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function upsertRole(deps: UpsertRoleDeps, input: UpsertRoleInput): Promise<RoleReport> {
  const { actor, role } = input;
  const act = roleAct('role.upsert', input, role.name);
  const report = await audited(deps, act, async ({ managedUsers, roleEditor, audit }) => {
    await lockActor({ managedUsers }, actor);
    const before = await roleEditor.lockAll();
    const old = before.find(({ name }) => name === role.name);
    const changed: StoredRole = { ...role, builtIn: old?.builtIn ?? false };
    const after = [...before.filter((other) => other !== old), changed];
    requireMayTouch(actor, role.name);
    requireGoodParent(role, before);
    requireKeepsBuiltIn(role);
    const editor = stillHolding({ roleDirectory: RoleDirectory.of(before) }, actor);
    requireAuthorityOverChange(editor, role.name, before, after);
    requireFewerThanLimit(after);
    requireTokensFit(deps.accessTokenSizer, before, after);
    await roleEditor.upsert(role);
    const details = detailsOf(old, role);
    await audit.append(auditEvent(deps, { ...act, outcome: 'success', details }));
    const counts = await roleEditor.countUsers();
    return reportOf(changed, after, counts.get(role.name) ?? 0);
  });
  await refreshRoles(deps);
  return report;
}

// Every role that inherits the changed one grows with it. One that was too large before may stay, or be made smaller step by step.
function requireTokensFit(sizeOf: AccessTokenSizer, before: readonly Role[], after: readonly Role[]): void {
  const violations = after.flatMap((role) => {
    const scopes = effectiveScopes(role, after);
    const former = before.find(({ name }) => name === role.name);
    const formerSize = former === undefined ? 0 : sizeOf(role.name, effectiveScopes(former, before));
    if (sizeOf(role.name, scopes) <= formerSize) return [];
    const violation = oversize(sizeOf, {
      field: 'role.scopes',
      owner: `role ${role.name}`,
      role: role.name,
      scopes,
    });
    return violation === undefined ? [] : [violation];
  });
  if (violations.length > 0) throw validationFailed(violations);
}

function requireFewerThanLimit(roles: readonly Role[]): void {
  if (roles.length <= MAX_ROLES) return;
  const description = `would be the ${roles.length}th role; there can be ${MAX_ROLES}`;
  throw validationFailed([{ field: 'role.name', description }]);
}

function detailsOf(old: Role | undefined, role: Role): Readonly<Record<string, string>> {
  const had = new Set(old?.scopes);
  const has = new Set(role.scopes);
  return {
    scopes_added: role.scopes.filter((scope) => !had.has(scope)).join(' '),
    scopes_removed: (old?.scopes ?? []).filter((scope) => !has.has(scope)).join(' '),
    inherits: role.inherits ?? '',
    ...(old === undefined || old.inherits === role.inherits ? {} : { inherited: old.inherits ?? '' }),
  };
}
