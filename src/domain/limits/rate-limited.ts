// The refusal of a limiter, and the one place that decides on it.

import { DomainError } from '../errors.ts';
import type { LimitRule } from './limit-table.ts';
import type { LimitState, LimitSubject } from './rate-limiter.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const BY: Readonly<Record<LimitSubject, string>> = {
  address: 'from this address',
  account: 'for this account',
};

/** RATE_LIMITED, with the state that the answer's headers tell. */
export class RateLimitedError extends DomainError {
  readonly state: LimitState;

  constructor(subject: LimitSubject, state: LimitState) {
    // Rounded up, so that whoever waits as told does not come a moment too early.
    const retryAfterMs = Math.max(1, Math.ceil(state.resetMs / SECOND_MS)) * SECOND_MS;
    super('RATE_LIMITED', `Too many attempts ${BY[subject]}. Try again in ${inWords(retryAfterMs)}.`, {
      retryAfterMs,
      metadata: {
        limit: String(state.limit),
        remaining: String(state.remaining),
        reset: String(retryAfterMs / SECOND_MS),
      },
    });
    this.state = state;
  }
}

/** What is left of `rule` after `uses`, the last of them this one. Errors: RateLimitedError when that was one too many. */
export function requireWithin(
  rule: LimitRule,
  subject: LimitSubject,
  counted: { readonly uses: number; readonly resetMs: number },
): LimitState {
  const remaining = Math.max(0, rule.limit - counted.uses);
  const state = { limit: rule.limit, remaining, resetMs: counted.resetMs };
  if (counted.uses > rule.limit) throw new RateLimitedError(subject, state);
  return state;
}

function inWords(ms: number): string {
  const [count, unit] =
    ms > 2 * MINUTE_MS ? [Math.ceil(ms / MINUTE_MS), 'minute'] : [Math.ceil(ms / SECOND_MS), 'second'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
