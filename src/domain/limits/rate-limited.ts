// The refusal of a limiter, and the one place that decides on it.

import { DomainError } from '../errors.ts';
import type { LimitRule } from './limit-table.ts';
import type { LimitState, LimitSubject } from './rate-limiter.ts';
import type { WindowState } from './sliding-window.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const BY: Readonly<Record<LimitSubject, string>> = {
  address: 'from this address',
  account: 'for this account',
};

/** RATE_LIMITED, with the state for the headers of the response. `retryMs` is until the next use is allowed, in milliseconds. */
export class RateLimitedError extends DomainError {
  readonly state: LimitState;

  constructor(subject: LimitSubject, state: LimitState, retryMs: number) {
    const retryAfterMs = wholeSeconds(retryMs) * SECOND_MS;
    super('RATE_LIMITED', `Too many attempts ${BY[subject]}. Try again in ${inWords(retryAfterMs)}.`, {
      retryAfterMs,
      metadata: {
        limit: String(state.limit),
        remaining: String(state.remaining),
        reset: String(wholeSeconds(state.resetMs)),
      },
    });
    this.state = state;
  }
}

/** What is left of `rule` after a use. Errors: RateLimitedError when that was one too many. */
export function requireAllowed(
  rule: LimitRule,
  subject: LimitSubject,
  { isAllowed, count, retryMs, resetMs }: WindowState,
): LimitState {
  const state = { limit: rule.limit, remaining: Math.max(0, rule.limit - count), resetMs };
  if (!isAllowed) throw new RateLimitedError(subject, state, retryMs);
  return state;
}

// Rounded up, so that a client that waits as long does not come a moment too early.
function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / SECOND_MS));
}

function inWords(ms: number): string {
  const [count, unit] =
    ms > 2 * MINUTE_MS ? [Math.ceil(ms / MINUTE_MS), 'minute'] : [Math.ceil(ms / SECOND_MS), 'second'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
