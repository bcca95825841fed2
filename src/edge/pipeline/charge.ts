// Charges a call to its limits: when its request has been checked, or, for limits on failures, when it has failed.

import { Code } from '@connectrpc/connect';
import { addressKey } from '../../domain/limits/address-key.ts';
import { FAILURE_CLASSES } from '../../domain/limits/limit-table.ts';
import { RateLimitedError } from '../../domain/limits/rate-limited.ts';
import type { LimitClass, RateLimiter } from '../../domain/limits/rate-limiter.ts';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import type { Call } from './call.ts';
import { codeOf } from './error-table.ts';
import type { StatedAddressDeps } from './stated-address.ts';
import { believeStatedAddress } from './stated-address.ts';

export type ChargeDeps = StatedAddressDeps & { readonly rateLimiter: RateLimiter };

/**
 * Runs `work`, which decodes, checks, calls `call.charge()` and then does what costs. A request that breaks its rules costs little: it is
 * bounded in size, decoded once, and reads no database; so it is charged to the wide limit `malformed` alone, and three typos close no form.
 * What ends well without having charged is charged then. Errors: those of `work`, RATE_LIMITED.
 */
export async function charged<Response>(
  deps: ChargeDeps,
  limitClass: LimitClass,
  call: Call,
  work: () => MaybePromise<Response>,
): Promise<Response> {
  await believeStatedAddress(deps, call);
  const key = addressKey(call.clientAddress);
  deps.rateLimiter.requireLeft('malformed', 'address', key);
  call.onCharge(() => charge(deps, limitClass, call));
  try {
    const response = await work();
    await call.charge();
    return response;
  } catch (error) {
    if (!call.isCharged) await chargeFailure(deps, 'malformed', key);
    else if (FAILURE_CLASSES.has(limitClass) && codeOf(error) === Code.Unauthenticated)
      await chargeFailure(deps, limitClass, key);
    throw error;
  }
}

/** Charges a call to the limits of its class. Login and what sends mail charge account and mailbox in their use cases. Errors: RATE_LIMITED. */
export async function charge(deps: ChargeDeps, limitClass: LimitClass, call: Call): Promise<void> {
  const key = addressKey(call.clientAddress);
  if (FAILURE_CLASSES.has(limitClass)) return deps.rateLimiter.requireLeft(limitClass, 'address', key);
  const limiter = call.noting(deps.rateLimiter);
  await limiter.consume(limitClass, 'address', key);
  if (ACCOUNT_CLASSES.has(limitClass))
    await limiter.consume(limitClass, 'account', call.requirePrincipal().subjectId);
}

/** The classes whose account is the caller's own. */
const ACCOUNT_CLASSES: ReadonlySet<LimitClass> = new Set(['credentials', 'exchange']);

// The call has failed already, and its caller is told why.
async function chargeFailure(
  { rateLimiter }: Pick<ChargeDeps, 'rateLimiter'>,
  limitClass: LimitClass,
  key: string,
): Promise<void> {
  try {
    await rateLimiter.consume(limitClass, 'address', key);
  } catch (error) {
    if (!(error instanceof RateLimitedError)) throw error;
  }
}
