// Port: takes imported accounts into the store, by the batch.

import type { CheckedUser } from './imported-user.ts';

/** An account that is about to come in. */
export type NewImportedUser = CheckedUser & { readonly id: string };

/** What became of one. */
export type ImportFate =
  | { readonly fate: 'created' }
  /** An account with this external id is there already, be it a deleted one; without its id where only a dry run noted it. */
  | { readonly fate: 'unchanged'; readonly userId: string | undefined }
  | { readonly fate: 'taken'; readonly emailTaken: boolean; readonly usernameTaken: boolean }
  | { readonly fate: 'role_not_found' };

/** What stands in the way of an account now. `userId` is that of the one with its external id. */
export type Obstacles = {
  readonly userId: string | undefined;
  readonly emailTaken: boolean;
  readonly usernameTaken: boolean;
};

/** Imports. */
export type UserImportStore = {
  /**
   * Adds those in whose way nothing stands, as if one after the other in the order given, with `now` as their update time; answers what became of
   * each, in that order. Inside a transaction it locks what it added, and may wait for another that adds the same.
   */
  insertAll(users: readonly NewImportedUser[], now: number): Promise<readonly ImportFate[]>;
  /** What stands in the way of each, in the order given. Writes nothing. */
  findObstacles(users: readonly CheckedUser[]): Promise<readonly Obstacles[]>;
};
