// What holds for every change of a role.

import { DomainError, validationFailed } from '../errors.ts';
import type { Actor } from './authority.ts';
import { requireHolds, SUPREME_ROLE } from './authority.ts';
import { BUILT_IN_ROLES, effectiveScopes } from './role.ts';
import type { Role } from './role.ts';

/** An installation has no more roles, built-in ones included. */
export const MAX_ROLES = 200;

export function roleNotFound(name: string): DomainError {
  return new DomainError('ROLE_NOT_FOUND', `There is no role ${name}.`);
}

/** Refuses what would change super_admin, or the actor's own role. Errors: ROLE_PROTECTED. */
export function requireMayTouch(actor: Actor, name: string): void {
  if (name === SUPREME_ROLE) throw roleProtected(`${SUPREME_ROLE} is as it is.`);
  if (actor.role === name && actor.role !== SUPREME_ROLE)
    throw roleProtected('You have this role yourself; nobody can change their own role.');
}

/** Refuses a parent that cannot be one. Errors: ROLE_PROTECTED (super_admin), ROLE_NOT_FOUND, VALIDATION_FAILED (each would inherit the other). */
export function requireGoodParent({ name, inherits }: Role, roles: readonly Role[]): void {
  if (inherits === undefined) return;
  if (inherits === SUPREME_ROLE) throw roleProtected(`No role inherits ${SUPREME_ROLE}.`);
  const line = lineageOf(inherits, roles);
  if (inherits === name || line.some((role) => role.name === name)) {
    const description = `must not be the role itself, nor one that inherits ${name}`;
    throw validationFailed([{ field: 'role.inherits', description }]);
  }
  if (line.length === 0) throw roleNotFound(inherits);
}

/** Refuses to take from a built-in role what every installation may rely on. Errors: ROLE_PROTECTED. */
export function requireKeepsBuiltIn(changed: Role): void {
  const builtIn = BUILT_IN_ROLES.find(({ name }) => name === changed.name);
  if (builtIn === undefined) return;
  const missing = builtIn.scopes.filter((scope) => !changed.scopes.includes(scope));
  if (missing.length > 0)
    throw roleProtected(`${changed.name} is built in: it keeps ${missing.join(' ')}. Scopes may be added.`);
  if (changed.inherits !== builtIn.inherits)
    throw roleProtected(`${changed.name} is built in: it inherits ${builtIn.inherits ?? 'nothing'}.`);
}

/**
 * Refuses a change by a caller who lacks what the role grants, before or after, or what a role grants that would lose a scope by it. Errors:
 * INSUFFICIENT_SCOPE.
 */
export function requireAuthorityOverChange(
  actor: Actor,
  name: string,
  before: readonly Role[],
  after: readonly Role[],
): void {
  for (const role of before) {
    const had = effectiveScopes(role, before);
    const now = new Set(grantsOf(role.name, after));
    if (role.name === name || had.some((scope) => !now.has(scope))) requireHolds(actor, had);
  }
  requireHolds(actor, grantsOf(name, after));
}

export function roleProtected(message: string): DomainError {
  return new DomainError('ROLE_PROTECTED', message);
}

function grantsOf(name: string, roles: readonly Role[]): readonly string[] {
  const role = roles.find((candidate) => candidate.name === name);
  return role === undefined ? [] : effectiveScopes(role, roles);
}

// The role and those that it inherits; none for an unknown one.
function lineageOf(name: string, roles: readonly Role[]): readonly Role[] {
  const line: Role[] = [];
  let next = roles.find((role) => role.name === name);
  while (next !== undefined && !line.includes(next)) {
    line.push(next);
    const { inherits } = next;
    next = roles.find((role) => role.name === inherits);
  }
  return line;
}
