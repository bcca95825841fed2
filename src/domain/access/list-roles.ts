// ListRoles: what roles there are, what each grants, and how many have it.

import { BUILT_IN_ROLES, effectiveScopes } from './role.ts';
import type { Role } from './role.ts';
import type { RoleEditor, StoredRole } from './role-store.ts';

/** A role as operators see it. */
export type RoleReport = StoredRole & {
  /** All that it grants. */
  readonly effectiveScopes: readonly string[];
  /** How many accounts have it, deleted ones aside. */
  readonly userCount: number;
};

export type ListRolesDeps = { readonly roleEditor: Pick<RoleEditor, 'list' | 'countUsers'> };

/** Built-in roles first, lowest first, then the others by name. Errors: STORAGE_UNAVAILABLE. */
export async function listRoles({ roleEditor }: ListRolesDeps): Promise<readonly RoleReport[]> {
  const [roles, counts] = await Promise.all([roleEditor.list(), roleEditor.countUsers()]);
  return roles.map((role) => reportOf(role, roles, counts.get(role.name) ?? 0)).toSorted(byRank);
}

/** The role among all of them. */
export function reportOf(role: StoredRole, roles: readonly Role[], userCount: number): RoleReport {
  return { ...role, effectiveScopes: effectiveScopes(role, roles), userCount };
}

function byRank(left: Role, right: Role): number {
  const difference = rankOf(left) - rankOf(right);
  return difference === 0 ? compare(left.name, right.name) : difference;
}

function rankOf({ name }: Role): number {
  const rank = BUILT_IN_ROLES.findIndex((role) => role.name === name);
  return rank === -1 ? BUILT_IN_ROLES.length : rank;
}

function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
