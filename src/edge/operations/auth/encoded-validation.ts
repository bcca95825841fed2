// ValidateToken and BatchValidateTokens from bytes to bytes: neither the request nor the response becomes a message.

import { inParallel } from '../../../domain/in-parallel.ts';
import type { MaybePromise } from '../../../domain/maybe-promise.ts';
import { after } from '../../../domain/maybe-promise.ts';
import type { CachedTokens, VerifiedToken } from '../../../domain/token/access-token.ts';
import type { AssessDeps } from '../../../domain/token/assess-token.ts';
import { assessVerified } from '../../../domain/token/assess-token.ts';
import type { ValidateTokenResult } from '../../../domain/token/validate-token.ts';
import { validateToken } from '../../../domain/token/validate-token.ts';
import { textOf, tokenIn, tokensIn } from '../../messages/plain-tokens.ts';
import type { WrittenVerdict } from '../../messages/verdict-writer.ts';
import { encodeVerdict, encodeVerdicts } from '../../messages/verdict-writer.ts';
import type { EncodedHandler } from '../../pipeline/operation.ts';
import { BATCH_AT_ONCE, cacheTtlMs, INACTIVE, MAX_BATCH } from './validate-token.ts';

export type EncodedValidationDeps = AssessDeps & { readonly cachedTokens: CachedTokens };

/**
 * Handlers for requests that name tokens and nothing else, as gateways send them; what names an audience or scopes, or breaks a rule, is left to
 * validationHandlers, which answer as these do. Errors: those of validateToken.
 */
export function encodedValidation(
  deps: EncodedValidationDeps,
): Readonly<Record<'validateToken' | 'batchValidateTokens', EncodedHandler>> {
  return {
    validateToken(request) {
      const token = tokenIn(request);
      if (token === undefined) return undefined;
      const cached = deps.cachedTokens.find(token);
      if (cached !== undefined) return encodeVerdict(assessCached(deps, cached));
      const text = textOf(token);
      if (text === undefined) return undefined;
      return after(assess(deps, text), encodeVerdict);
    },

    batchValidateTokens(request) {
      const tokens = tokensIn(request, MAX_BATCH);
      if (tokens === undefined) return undefined;
      const found = tokens.map((token) => deps.cachedTokens.find(token) ?? textOf(token));
      if (found.every((one) => isVerified(one)))
        return encodeVerdicts(found.map((one) => assessCached(deps, one)));
      return found.every((one) => one !== undefined) ? assessMixed(deps, found) : undefined;
    },
  };
}

// What was found is assessed last, so that nothing changes between that and the response.
async function assessMixed(
  deps: EncodedValidationDeps,
  found: ReadonlyArray<VerifiedToken | string>,
): Promise<Buffer> {
  const missed = found.filter((one) => typeof one === 'string');
  const assessed = await inParallel(missed, BATCH_AT_ONCE, (text) => assess(deps, text));
  const inOrder = assessed.values();
  return encodeVerdicts(
    found.map((one) => (typeof one === 'string' ? next(inOrder) : assessCached(deps, one))),
  );
}

function isVerified(found: VerifiedToken | string | undefined): found is VerifiedToken {
  return typeof found === 'object';
}

function next<Value>(values: Iterator<Value>): Value {
  const step = values.next();
  if (step.done === true) throw new RangeError('there are no more values');
  return step.value;
}

function assess(deps: AssessDeps, token: string): MaybePromise<WrittenVerdict> {
  const result = validateToken(deps, { token, audience: '', requiredScopes: [] });
  return after(result, (known) => written(known, deps.clock.now()));
}

function assessCached(deps: AssessDeps, cached: VerifiedToken): WrittenVerdict {
  return written(assessVerified(deps, cached, deps.audience), deps.clock.now());
}

function written(result: ValidateTokenResult, now: number): WrittenVerdict {
  if (result.active)
    return { active: true, principal: result.principal, cacheTtlMs: cacheTtlMs(result.principal, now) };
  return { active: false, reason: INACTIVE[result.reason] };
}
