// Which roles an importer may give, by the roles as they are stored now.

import type { Actor } from '../access/authority.ts';
import { requireMayGrant, stillHolding } from '../access/authority.ts';
import type { Role } from '../access/role.ts';
import { RoleDirectory } from '../access/role.ts';
import type { ErrorReason } from '../errors.ts';
import { DomainError } from '../errors.ts';

/** Why a role cannot be given. */
export type RoleRefusal = { readonly reason: ErrorReason; readonly description: string };

/** Why `role` cannot be given; undefined when it can. */
export type MayGive = (role: string) => RoleRefusal | undefined;

/** Looks at each role once. Reasons: ROLE_NOT_FOUND, and those of `requireMayGrant`. */
export function rolesToGive(actor: Actor, roles: readonly Role[]): MayGive {
  const roleDirectory = RoleDirectory.of(roles);
  const giver = stillHolding({ roleDirectory }, actor);
  const refusals = new Map(
    roles.map(({ name }) => [name, refusalOf(() => requireMayGrant({ roleDirectory }, giver, name))]),
  );
  return (role) => (refusals.has(role) ? refusals.get(role) : NO_SUCH_ROLE);
}

/** The violation for a role that does not exist. */
export const NO_SUCH_ROLE: RoleRefusal = { reason: 'ROLE_NOT_FOUND', description: 'there is no such role' };

function refusalOf(require: () => void): RoleRefusal | undefined {
  try {
    require();
    return undefined;
  } catch (error) {
    if (error instanceof DomainError) return { reason: error.reason, description: error.message };
    throw error;
  }
}
