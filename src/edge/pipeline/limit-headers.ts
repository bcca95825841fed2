// What an answer says of the caller's limits (draft-polli-ratelimit-headers-02, with the customary prefix), and of when to try again.

import type { LimitState } from '../../domain/limits/rate-limiter.ts';
import type { RpcError } from './error-table.ts';

const SECOND_MS = 1_000;

/** The values of `retry-after`: whole seconds, rounded up (RFC 9110, section 10.2.3); none when waiting does not help. */
export function retryAfter({ retryAfterMs }: Pick<RpcError, 'retryAfterMs'>): readonly string[] {
  return retryAfterMs === undefined ? [] : [String(Math.ceil(retryAfterMs / SECOND_MS))];
}

/** Name and value of each header; reset is whole seconds until all of the limit is there again. */
export function limitHeaders({ limit, remaining, resetMs }: LimitState): readonly [string, string][] {
  return [
    ['x-ratelimit-limit', String(limit)],
    ['x-ratelimit-remaining', String(remaining)],
    ['x-ratelimit-reset', String(Math.ceil(resetMs / SECOND_MS))],
  ];
}
