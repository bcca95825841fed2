// ValidateToken and BatchValidateTokens: the hot path. A verdict that has been encoded before is not encoded again.

import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { MAX_SCOPES, readScopes } from '../../domain/access/scope.ts';
import { validationFailed } from '../../domain/errors.ts';
import type { AssessDeps } from '../../domain/token/assess-token.ts';
import type { ValidateTokenInput, ValidateTokenResult } from '../../domain/token/validate-token.ts';
import { validateToken } from '../../domain/token/validate-token.ts';
import type {
  AuthService,
  ValidateTokenRequest,
  ValidateTokenResponse,
} from '../../../gen/latchkey/v1/auth_service_pb.ts';
import {
  BatchValidateTokensResponseSchema,
  ValidateTokenResponseSchema,
} from '../../../gen/latchkey/v1/auth_service_pb.ts';
import { InactiveReason } from '../../../gen/latchkey/v1/token_pb.ts';
import { MAX_TOKEN_LENGTH, RequestReader } from '../decode.ts';
import { encodePrincipal } from '../encode.ts';
import type { ServiceHandlers } from './handlers.ts';

/** How many tokens one batch may hold. */
export const MAX_BATCH = 1_000;

/** How long a caller without the revocation feed may keep a verdict. */
export const VERDICT_TTL_MS = 5_000;

const MAX_AUDIENCE_LENGTH = 300;

type InactiveName = Extract<ValidateTokenResult, { active: false }>['reason'];

const INACTIVE: Readonly<Record<InactiveName, InactiveReason>> = {
  invalid: InactiveReason.INVALID,
  expired: InactiveReason.EXPIRED,
  not_yet_valid: InactiveReason.NOT_YET_VALID,
  revoked: InactiveReason.REVOKED,
  wrong_audience: InactiveReason.WRONG_AUDIENCE,
  insufficient_scope: InactiveReason.INSUFFICIENT_SCOPE,
};

type ValidationHandlers = Pick<ServiceHandlers<typeof AuthService>, 'validateToken' | 'batchValidateTokens'>;

/** The two handlers that gateways call. */
export function validationHandlers(deps: AssessDeps): ValidationHandlers {
  const encoder = new VerdictEncoder(() => deps.clock.now());
  return {
    async validateToken(request) {
      return encoder.encode(await validateToken(deps, readOne(request)));
    },

    async batchValidateTokens(request) {
      const inputs = readBatch(request.requests);
      const responses = await Promise.all(
        inputs.map(async (input) => encoder.encode(await validateToken(deps, input))),
      );
      return create(BatchValidateTokensResponseSchema, { responses });
    },
  };
}

function isPlain(request: ValidateTokenRequest): boolean {
  const { token } = request;
  return (
    token !== '' &&
    token.length <= MAX_TOKEN_LENGTH &&
    request.audience === '' &&
    request.requiredScopes.length === 0
  );
}

function readOne(request: ValidateTokenRequest): ValidateTokenInput {
  if (isPlain(request)) return request;
  const reader = new RequestReader();
  const input = read(reader, request, '');
  reader.finish();
  return input;
}

function readBatch(requests: readonly ValidateTokenRequest[]): readonly ValidateTokenInput[] {
  if (requests.length === 0 || requests.length > MAX_BATCH) {
    throw validationFailed([{ field: 'requests', description: `must hold 1 to ${MAX_BATCH} requests` }]);
  }
  const reader = new RequestReader();
  const inputs = requests.map((request, index) => read(reader, request, `requests[${index}].`));
  reader.finish();
  return inputs;
}

function read(reader: RequestReader, request: ValidateTokenRequest, path: string): ValidateTokenInput {
  return {
    token: reader.token(`${path}token`, request.token),
    audience: reader.text(request.audience, { field: `${path}audience`, max: MAX_AUDIENCE_LENGTH }),
    requiredScopes:
      request.requiredScopes.length > MAX_SCOPES
        ? readScopes(reader, `${path}required_scopes`, request.requiredScopes)
        : request.requiredScopes,
  };
}

class VerdictEncoder {
  readonly #now: () => number;
  // By the verdict's identity: the domain hands out the same object while nothing about it changes.
  readonly #encoded = new WeakMap<ValidateTokenResult, ValidateTokenResponse>();

  constructor(now: () => number) {
    this.#now = now;
  }

  encode(result: ValidateTokenResult): ValidateTokenResponse {
    if (!result.active) return encodeInactive(result);
    const { expiresAt } = result.principal;
    const remaining = expiresAt === undefined ? Infinity : expiresAt - this.#now();
    if (remaining < VERDICT_TTL_MS) return encodeActive(result, Math.max(0, remaining));
    const known = this.#encoded.get(result);
    if (known !== undefined) return known;
    const response = encodeActive(result, VERDICT_TTL_MS);
    this.#encoded.set(result, response);
    return response;
  }
}

function encodeActive(
  result: Extract<ValidateTokenResult, { active: true }>,
  cacheTtlMs: number,
): ValidateTokenResponse {
  const { expiresAt } = result.principal;
  return create(ValidateTokenResponseSchema, {
    active: true,
    principal: encodePrincipal(result.principal),
    ...(expiresAt === undefined ? {} : { expiresAt: timestampFromMs(expiresAt) }),
    cacheTtl: durationFromMs(cacheTtlMs),
  });
}

function encodeInactive(result: Extract<ValidateTokenResult, { active: false }>): ValidateTokenResponse {
  if (result.reason !== 'insufficient_scope') {
    return create(ValidateTokenResponseSchema, { active: false, inactiveReason: INACTIVE[result.reason] });
  }
  return create(ValidateTokenResponseSchema, {
    active: false,
    inactiveReason: InactiveReason.INSUFFICIENT_SCOPE,
    principal: encodePrincipal(result.principal),
    missingScopes: [...result.missingScopes],
  });
}
