// Port: where operators look for accounts.

import type { User, UserStatus } from '../account/user.ts';

/** By which an account is found; it must match every field that is there. Times are epoch milliseconds. */
export type UserFilters = {
  /** Any of these; any role when empty. */
  readonly roles: readonly string[];
  /** Any of these; all but deleted accounts when empty. */
  readonly statuses: readonly UserStatus[];
  readonly emailVerified: boolean | undefined;
  readonly mfaEnabled: boolean | undefined;
  readonly createTime: TimeRange;
  readonly lastLoginTime: TimeRange;
};

/** From `start` on, before `end`; open where one is undefined. */
export type TimeRange = { readonly start: number | undefined; readonly end: number | undefined };

/** The order of a list. Addresses go by their key, by code point. */
export type UserOrder = { readonly by: 'create_time' | 'email'; readonly descending: boolean };

/** Where an account stands in an order: the list goes on strictly behind it. */
export type UserPosition = {
  /** The store's own spelling of what the list is ordered by. */
  readonly key: string;
  readonly id: string;
};

export type UserQuery = {
  /** Sought in e-mail address, user name and full name; empty for every account. In Unicode NFC. */
  readonly text: string;
  readonly filters: UserFilters;
  readonly order: UserOrder;
};

/** An account where it was found. */
export type FoundUser = { readonly user: User; readonly position: UserPosition };

/** Accounts by what an operator knows of them. */
export type UserDirectory = {
  /** The first `limit` accounts behind `after` that match the query, in its order. */
  find(
    query: UserQuery,
    page: { readonly after: UserPosition | undefined; readonly limit: number },
  ): Promise<readonly FoundUser[]>;
};
