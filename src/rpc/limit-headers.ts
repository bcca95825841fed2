// What an answer says of the caller's limits (draft-polli-ratelimit-headers-02, with the customary prefix).

import type { LimitState } from '../domain/limits/rate-limiter.ts';

const SECOND_MS = 1_000;

/** Name and value of each header; reset is whole seconds until all of the limit is there again. */
export function limitHeaders({ limit, remaining, resetMs }: LimitState): readonly [string, string][] {
  return [
    ['x-ratelimit-limit', String(limit)],
    ['x-ratelimit-remaining', String(remaining)],
    ['x-ratelimit-reset', String(Math.ceil(resetMs / SECOND_MS))],
  ];
}
