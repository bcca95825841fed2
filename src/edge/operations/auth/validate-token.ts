// ValidateToken and BatchValidateTokens: the hot path.

import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Principal } from '../../../domain/access/principal.ts';
import { readScopes } from '../../../domain/access/scope.ts';
import { validationFailed } from '../../../domain/errors.ts';
import { inParallel } from '../../../domain/in-parallel.ts';
import { after } from '../../../domain/maybe-promise.ts';
import type { AssessDeps } from '../../../domain/token/assess-token.ts';
import type { ValidateTokenInput, ValidateTokenResult } from '../../../domain/token/validate-token.ts';
import { validateToken } from '../../../domain/token/validate-token.ts';
import type {
  AuthService,
  ValidateTokenRequest,
  ValidateTokenResponse,
} from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import {
  BatchValidateTokensResponseSchema,
  ValidateTokenResponseSchema,
} from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { InactiveReason } from '../../../../gen/latchkey/v1/token_pb.ts';
import { MAX_TOKEN_LENGTH, RequestReader } from '../../messages/decode.ts';
import { encodePrincipal } from '../../messages/encode.ts';
import type { ServiceHandlers } from '../handlers.ts';

/** How many tokens one batch may hold. */
export const MAX_BATCH = 1_000;

/** How many of a batch are looked up at once: one caller's batch must not hold the database's connections. */
export const BATCH_AT_ONCE = 8;
const MAX_AUDIENCE_LENGTH = 300;

const VERDICT_TTL_MS = 5_000;

type InactiveName = Extract<ValidateTokenResult, { active: false }>['reason'];

/** Why a token is not active, as other programs see it. */
export const INACTIVE: Readonly<Record<InactiveName, InactiveReason>> = {
  invalid: InactiveReason.INVALID,
  expired: InactiveReason.EXPIRED,
  not_yet_valid: InactiveReason.NOT_YET_VALID,
  revoked: InactiveReason.REVOKED,
  wrong_audience: InactiveReason.WRONG_AUDIENCE,
  insufficient_scope: InactiveReason.INSUFFICIENT_SCOPE,
};

type ValidationHandlers = Pick<ServiceHandlers<typeof AuthService>, 'validateToken' | 'batchValidateTokens'>;

/** The two handlers that gateways call, for whatever encodedValidation leaves to them. */
export function validationHandlers(deps: AssessDeps): ValidationHandlers {
  return {
    validateToken(request) {
      return after(validateToken(deps, readOne(request)), (result) => encodeResult(result, deps.clock.now()));
    },

    async batchValidateTokens(request) {
      const inputs = readBatch(request.requests);
      const results = await inParallel(inputs, BATCH_AT_ONCE, (input) => validateToken(deps, input));
      const responses = results.map((result) => encodeResult(result, deps.clock.now()));
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
    requiredScopes: readScopes(reader, `${path}required_scopes`, request.requiredScopes),
  };
}

/** How long a caller without the revocation feed may keep the verdict, in milliseconds. `now` is epoch milliseconds. */
export function cacheTtlMs({ expiresAt = Infinity }: Principal, now: number): number {
  return Math.min(VERDICT_TTL_MS, Math.max(0, expiresAt - now));
}

function encodeResult(result: ValidateTokenResult, now: number): ValidateTokenResponse {
  if (!result.active) return encodeInactive(result);
  const { expiresAt } = result.principal;
  return create(ValidateTokenResponseSchema, {
    active: true,
    principal: encodePrincipal(result.principal),
    ...(expiresAt === undefined ? {} : { expiresAt: timestampFromMs(expiresAt) }),
    cacheTtl: durationFromMs(cacheTtlMs(result.principal, now)),
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
