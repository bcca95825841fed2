// Concurrent refreshes of one token on one node are served as one: a flood of them costs the database no more than one does.

import type { TokenSet } from './issue-tokens.ts';
import type { RefreshDeps, RefreshInput } from './refresh.ts';
import { refresh } from './refresh.ts';

/**
 * `refresh` for callers that may come many at once with the same token: who comes while one is under way gets what that one gets. All
 * would get the same refresh token anyway, and a flood that is served slower than the grace lasts would look like theft. Errors: those of
 * `refresh`.
 */
export function refreshTogether(deps: RefreshDeps): (input: RefreshInput) => Promise<TokenSet> {
  const underWay = new Map<string, Promise<TokenSet>>();
  return (input) => {
    const { refreshToken, scopes } = input;
    const key = scopes.length === 0 ? refreshToken : [refreshToken, ...scopes].join(' ');
    const joined = underWay.get(key);
    if (joined !== undefined) return joined;
    const refreshing = refresh(deps, input).finally(() => underWay.delete(key));
    underWay.set(key, refreshing);
    return refreshing;
  };
}
