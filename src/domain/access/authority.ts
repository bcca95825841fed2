// Who may act upon whom: no caller changes or grants what exceeds its own scopes.

import { DomainError } from '../errors.ts';
import type { Principal } from './principal.ts';
import { keyBehind } from './principal.ts';
import type { RoleDirectory } from './role.ts';
import { BUILT_IN_ROLES } from './role.ts';

/** The role that has every scope. The command line alone grants it, and some active account has it at any time. */
export const SUPREME_ROLE = 'super_admin';

/** Who acts. */
export type Actor = {
  /** Undefined for the command line. */
  readonly id: string | undefined;
  /** Empty for a service. */
  readonly role: string;
  /** What it may do by the credential that it shows. */
  readonly scopes: readonly string[];
  /** The epoch that a person's credential was made, or last read, under; undefined for a caller that is no person. */
  readonly version?: number;
  /** The API key behind the credential; undefined for a person who has logged in, and for the command line. */
  readonly keyId?: string;
};

/** An operator with access to the database has every scope already. */
export const COMMAND_LINE: Actor = { id: undefined, role: SUPREME_ROLE, scopes: [] };

/** What every user may do with their own account: no power over other accounts. */
const OWN_SCOPES: ReadonlySet<string> = new Set(['account:read', 'account:write']);

/** All that the built-in roles grant, which the highest inherits. */
const SUPREME_SCOPES: readonly string[] = BUILT_IN_ROLES.flatMap(({ scopes }) => scopes).filter(
  (scope) => !OWN_SCOPES.has(scope),
);

export type AuthorityDeps = { readonly roleDirectory: Pick<RoleDirectory, 'grantedBy'> };

/** The caller as who acts. */
export function actorOf(principal: Principal): Actor {
  const { subjectId, kind, role, scopes, version } = principal;
  const keyId = keyBehind(principal);
  return {
    id: subjectId,
    role,
    scopes,
    ...(kind === 'user' ? { version } : {}),
    ...(keyId === undefined ? {} : { keyId }),
  };
}

/** The actor with what their role still grants of their scopes: it may have been changed since the call was admitted. */
export function stillHolding({ roleDirectory }: AuthorityDeps, actor: Actor): Actor {
  if (actor.id === undefined || actor.role === '') return actor;
  const granted = roleDirectory.grantedBy(actor.role);
  return { ...actor, scopes: actor.scopes.filter((scope) => granted.has(scope)) };
}

/** Those of `scopes` that the actor does not hold. The supreme role holds all, where its whole power stands on the credential. */
export function scopesLacking(actor: Actor, scopes: Iterable<string>): readonly string[] {
  if (holdsEverything(actor)) return [];
  return [...new Set(scopes)].filter((scope) => !OWN_SCOPES.has(scope) && !actor.scopes.includes(scope));
}

// A credential that was made for less, a key with one scope say, must not become more by whose it is.
function holdsEverything({ id, role, scopes }: Actor): boolean {
  if (role !== SUPREME_ROLE) return false;
  return id === undefined || SUPREME_SCOPES.every((scope) => scopes.includes(scope));
}

/** Refuses to grant scopes that the actor lacks. Errors: INSUFFICIENT_SCOPE (names what it lacks). */
export function requireHolds(actor: Actor, scopes: Iterable<string>): void {
  const missing = scopesLacking(actor, scopes);
  if (missing.length === 0) return;
  const list = missing.join(' ');
  throw new DomainError('INSUFFICIENT_SCOPE', `You do not hold ${list} yourself.`, {
    metadata: { missing_scopes: list },
  });
}

/**
 * Refuses an actor who may not act upon an account with this role. Errors: ROLE_PROTECTED (a super_admin, by any other role), INSUFFICIENT_SCOPE
 * (the role grants what the actor lacks).
 */
export function requireAuthorityOver(deps: AuthorityDeps, actor: Actor, role: string): void {
  if (role === SUPREME_ROLE && actor.role !== SUPREME_ROLE) {
    throw new DomainError('ROLE_PROTECTED', `Only a ${SUPREME_ROLE} may act upon a ${SUPREME_ROLE}.`);
  }
  requireHolds(actor, deps.roleDirectory.grantedBy(role));
}

/**
 * Refuses to grant this role to any account. Errors: ROLE_PROTECTED (super_admin, for every caller), INSUFFICIENT_SCOPE (it grants what the actor lacks).
 * Whether there is such a role is for the caller to find out.
 */
export function requireMayGrant(deps: AuthorityDeps, actor: Actor, role: string): void {
  if (role === SUPREME_ROLE) {
    throw new DomainError(
      'ROLE_PROTECTED',
      `${SUPREME_ROLE} is granted from the command line alone: latchkey user grant-super-admin.`,
    );
  }
  requireHolds(actor, deps.roleDirectory.grantedBy(role));
}
