// Port: what people change of their own profile.

import type { User } from './user.ts';
import type { Username } from './username.ts';

/** One field with its new value. */
export type ProfileChange =
  /** Undefined removes the user name. */
  | { readonly field: 'username'; readonly username: Username | undefined }
  | { readonly field: 'full_name'; readonly fullName: string };

export type ProfileStore = {
  /**
   * Makes the changes; undefined when there is no such account. `username_taken`: the transaction can write nothing any more, so the caller
   * must throw.
   */
  update(
    userId: string,
    changes: readonly ProfileChange[],
    now: number,
  ): Promise<User | 'username_taken' | undefined>;
};
