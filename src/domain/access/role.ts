// Roles: named sets of scopes, each inheriting those of the role below it.

/** A role as it is stored. */
export type Role = {
  readonly name: string;
  /** The role whose scopes this one has too. */
  readonly inherits: string | undefined;
  /** Its own scopes, beside the inherited ones. */
  readonly scopes: readonly string[];
};

/** The roles that every installation has, lowest first. The first migration writes them; a contract test holds the two equal. */
export const BUILT_IN_ROLES: readonly Role[] = [
  { name: 'user', inherits: undefined, scopes: ['account:read', 'account:write'] },
  { name: 'moderator', inherits: 'user', scopes: ['users:read', 'audit:read'] },
  {
    name: 'admin',
    inherits: 'moderator',
    scopes: [
      'users:write',
      'roles:read',
      'service_accounts:read',
      'service_accounts:write',
      'stats:read',
      'tokens:validate',
    ],
  },
  {
    name: 'super_admin',
    inherits: 'admin',
    scopes: ['roles:write', 'signing_keys:read', 'signing_keys:write'],
  },
];

/** Port: where roles are kept. */
export type RoleStore = { list(): Promise<readonly Role[]> };

/** What each role grants now, cached, so that a call needs no database query. */
export class RoleDirectory {
  #grants: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  #version = 0;
  #begun = 0;
  #taken = 0;

  /** The directory of these roles. */
  static of(roles: readonly Role[]): RoleDirectory {
    const directory = new RoleDirectory();
    directory.replace(roles);
    return directory;
  }

  /** Raised whenever some role grants something else than before. */
  get version(): number {
    return this.#version;
  }

  /** The scopes of `role` and of all that it inherits; none for an unknown role (fail closed). */
  grantedBy(role: string): ReadonlySet<string> {
    return this.#grants.get(role) ?? NOTHING;
  }

  /** To be called before the stored roles are read: of two reads the one that began later knows more, whichever ends first. */
  beginRead(): number {
    this.#begun += 1;
    return this.#begun;
  }

  /** Takes over the stored roles, unless a read that began later has been taken over already. */
  replace(roles: readonly Role[], read = this.beginRead()): void {
    if (read < this.#taken) return;
    this.#taken = read;
    const grants = new Map(roles.map((role) => [role.name, new Set(effectiveScopes(role, roles))]));
    if (sameGrants(grants, this.#grants)) return;
    this.#grants = grants;
    this.#version += 1;
  }
}

const NOTHING: ReadonlySet<string> = new Set();

/** All that `role` grants, its own scopes first. Walks at most as many steps as there are roles, so that a cycle in the data ends. */
export function effectiveScopes(role: Role, roles: readonly Role[]): readonly string[] {
  const scopes = [...role.scopes];
  let parent = role.inherits;
  for (let step = 0; parent !== undefined && step < roles.length; step += 1) {
    const next = roles.find((candidate) => candidate.name === parent);
    scopes.push(...(next?.scopes ?? []));
    parent = next?.inherits;
  }
  return [...new Set(scopes)];
}

function sameGrants(
  left: ReadonlyMap<string, ReadonlySet<string>>,
  right: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  if (left.size !== right.size) return false;
  return [...left].every(([name, scopes]) => {
    const other = right.get(name);
    return (
      other !== undefined && other.size === scopes.size && [...scopes].every((scope) => other.has(scope))
    );
  });
}
