// Charges a call to its limits: when its request has been checked, or, for limits on failures, when it has failed.

import { Code } from '@connectrpc/connect';
import { addressKey } from '../../domain/limits/address-key.ts';
import { FAILURE_CLASSES } from '../../domain/limits/limit-table.ts';
import { RateLimitedError } from '../../domain/limits/rate-limited.ts';
import type { LimitClass, RateLimiter } from '../../domain/limits/rate-limiter.ts';
import type { Principal } from '../../domain/access/principal.ts';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import { after, orElse } from '../../domain/maybe-promise.ts';
import type { AccessRule } from './access-table.ts';
import type { Call } from './call.ts';
import type { CallerDeps } from './caller.ts';
import { callerOf } from './caller.ts';
import { codeOf } from './error-table.ts';
import type { StatedAddressDeps } from './stated-address.ts';
import { believeStatedAddress } from './stated-address.ts';

export type ChargeDeps = StatedAddressDeps & { readonly rateLimiter: RateLimiter };

/**
 * The caller, as `callerOf` finds it. Where the limit is on failures, a caller whose address has failed too often is not looked up at all, and
 * one without a good credential counts as a failure. Errors: those of `callerOf`, RATE_LIMITED.
 */
export function allowedCaller(
  deps: ChargeDeps & CallerDeps,
  rule: AccessRule,
  call: Call,
): MaybePromise<Principal | undefined> {
  const { limitClass, mode } = rule;
  if (limitClass === undefined || mode === 'public' || !FAILURE_CLASSES.has(limitClass))
    return callerOf(deps, rule, call);
  const key = addressKey(call.clientAddress);
  deps.rateLimiter.requireLeft(limitClass, 'address', key);
  return orElse(
    () => callerOf(deps, rule, call),
    (error) => refused(deps, limitClass, key, error),
  );
}

/**
 * Runs `work`, which decodes, checks, calls `call.charge()` and then does what costs. A request that breaks its rules costs little: it is
 * bounded in size, decoded once, and reads no database; so it is charged to the wide limit `malformed` alone, and three typos close no form.
 * What ends well without having charged is charged then. Errors: those of `work`, RATE_LIMITED.
 */
export function charged<Response>(
  deps: ChargeDeps,
  limitClass: LimitClass,
  call: Call,
  work: () => MaybePromise<Response>,
): MaybePromise<Response> {
  return after(believeStatedAddress(deps, call), () => {
    const key = addressKey(call.clientAddress);
    deps.rateLimiter.requireLeft('malformed', 'address', key);
    call.onCharge(() => charge(deps, limitClass, call));
    return orElse(
      () => after(work(), (response) => after(call.charge(), () => response)),
      (error) => {
        if (!call.isCharged) return thrownAfter(chargeFailure(deps, 'malformed', key), error);
        if (FAILURE_CLASSES.has(limitClass)) return refused(deps, limitClass, key, error);
        throw error;
      },
    );
  });
}

// Counts the failure where the credential or what stands for one was not good; the error goes on.
function refused(deps: ChargeDeps, limitClass: LimitClass, key: string, error: unknown): Promise<never> {
  if (codeOf(error) !== Code.Unauthenticated) throw error;
  return thrownAfter(chargeFailure(deps, limitClass, key), error);
}

async function thrownAfter(step: Promise<void>, error: unknown): Promise<never> {
  await step;
  throw error;
}

/** Charges a call to the limits of its class. Login and what sends mail charge account and mailbox in their use cases. Errors: RATE_LIMITED. */
export function charge(deps: ChargeDeps, limitClass: LimitClass, call: Call): MaybePromise<void> {
  const key = addressKey(call.clientAddress);
  if (FAILURE_CLASSES.has(limitClass)) return deps.rateLimiter.requireLeft(limitClass, 'address', key);
  return consume(deps, limitClass, call, key);
}

async function consume(deps: ChargeDeps, limitClass: LimitClass, call: Call, key: string): Promise<void> {
  const limiter = call.noting(deps.rateLimiter);
  await limiter.consume(limitClass, 'address', key);
  if (ACCOUNT_CLASSES.has(limitClass))
    await limiter.consume(limitClass, 'account', call.requirePrincipal().subjectId);
}

/** The classes whose account is the caller's own. */
const ACCOUNT_CLASSES: ReadonlySet<LimitClass> = new Set(['credentials', 'exchange']);

// The call has failed already, and its caller gets that error.
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
