// Port: where roles are changed.

import type { Role } from './role.ts';

/** A role with what stands beside it in the table. */
export type StoredRole = Role & {
  /** Whether every installation has it. */
  readonly builtIn: boolean;
};

/** Roles as operators deal with them. Deleted accounts count nowhere. */
export type RoleEditor = {
  /** Every role, in no order. */
  list(): Promise<readonly StoredRole[]>;
  /** As `list`; other transactions that ask so wait until this one has ended. */
  lockAll(): Promise<readonly StoredRole[]>;
  /** How many accounts have each role, deleted ones aside; a role without accounts may be missing. */
  countUsers(): Promise<ReadonlyMap<string, number>>;
  /** How many accounts have the role; until the transaction ends no account gets it. */
  lockUsersOf(name: string): Promise<number>;
  /** Writes a role that is not built in anew, and another one's scopes and parent. */
  upsert(role: Role): Promise<void>;
  /** Deletes a role that no account has (see `lockUsersOf`) and no role inherits. */
  delete(name: string): Promise<void>;
};
