// What a caller gets when a call fails, and what is logged: stable reasons outside, stacks inside, secrets nowhere.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it, vi } from 'vitest';
import { ErrorReason as WireReason } from '../../gen/latchkey/v1/error_reason_pb.ts';
import { GetMeResponseSchema, UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import { DomainError, type ErrorReason } from '../../src/domain/errors.ts';
import { unlimited } from '../../src/domain/limits/rate-limiter.ts';
import { ActiveCalls } from '../../src/edge/pipeline/active-calls.ts';
import { accessTable } from '../../src/edge/pipeline/access-table.ts';
import { toRpcError } from '../../src/edge/pipeline/error-table.ts';
import type { Handler } from '../../src/edge/pipeline/operation.ts';
import { serveMethod } from '../../src/edge/pipeline/pipeline.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';

// The union has no values at run time; its source has.
const source = readFileSync(resolve(import.meta.dirname, '../../src/domain/errors.ts'), 'utf8');
const [, union = ''] = /type ErrorReason =([^;]+);/.exec(source) ?? [];
const REASONS = [...union.matchAll(/'([A-Z_]+)'/g)].map(([, reason]) => reason as ErrorReason);

describe('the error table', () => {
  it.each(REASONS)('%s has a value in the contract and a code that is not a fault of ours', (reason) => {
    expect(WireReason[reason]).toBeGreaterThan(0);
    const error = toRpcError(new DomainError(reason, 'A sentence.'), 'request-1');
    expect([undefined, Code.Unknown, Code.Internal, Code.DataLoss]).not.toContain(error.code);
    expect(error).toMatchObject({ reason, message: 'A sentence.' });
  });

  it('covers the whole contract of tokens', () => {
    expect(REASONS.length).toBeGreaterThan(20);
    const codes = Object.fromEntries(
      REASONS.map((reason) => [reason, Code[toRpcError(new DomainError(reason, ''), '').code]]),
    );
    expect(codes).toMatchObject({
      TOKEN_MISSING: 'Unauthenticated',
      INVALID_CREDENTIALS: 'Unauthenticated',
      INSUFFICIENT_SCOPE: 'PermissionDenied',
      VALIDATION_FAILED: 'InvalidArgument',
      OVERLOADED: 'ResourceExhausted',
      REGISTRATION_CLOSED: 'FailedPrecondition',
      EMAIL_TAKEN: 'AlreadyExists',
      SESSION_NOT_FOUND: 'NotFound',
      CONFLICT: 'Aborted',
      REVOCATIONS_STALE: 'Unavailable',
      DEADLINE_EXCEEDED: 'DeadlineExceeded',
    });
  });

  it('sends RetryInfo where waiting helps, and only there', () => {
    const retryOf = (retryAfterMs: number | undefined) => {
      const detail = retryAfterMs === undefined ? {} : { retryAfterMs };
      const { details } = toRpcError(new DomainError('OVERLOADED', '', detail), '');
      return details.find(({ schema }) => schema.typeName === RetryInfoSchema.typeName)?.value;
    };
    expect(retryOf(1_500)).toMatchObject({ retryDelay: { seconds: 1n, nanos: 500_000_000 } });
    expect(retryOf(0)).toBeDefined();
    expect(retryOf(undefined)).toBeUndefined();
  });
});

/** Serves GetMe by this handler; the outcome and the log lines. */
async function serve(
  handler: Handler,
  options: { headers?: Record<string, string>; maxCallMs?: number } = {},
) {
  const lines: string[] = [];
  const deps = {
    accessTable: accessTable([UserService], { anonymousValidation: false }),
    authenticate: async () => ({
      subjectId: 'user-1',
      kind: 'user' as const,
      role: 'user',
      scopes: ['account:read'],
      sessionId: 'session-1',
      credential: 'access_token' as const,
      credentialId: 'token-1',
      authTime: undefined,
      amr: [],
      version: 1,
      expiresAt: undefined,
      isNetworkBound: false,
    }),
    clientAddress: () => '192.0.2.1',
    cookieOrigins: new Set<string>(),
    accessRefusals: { note: () => undefined },
    rateLimiter: unlimited,
    clock: { now: () => 0 },
    logger: createLogger('trace', { write: (line: string) => void lines.push(line) }),
    maxCallMs: options.maxCallMs ?? 10_000,
    activeCalls: new ActiveCalls(),
  };
  const transport = {
    headerValues: (name: string) => [options.headers?.[name]].filter((value) => value !== undefined),
    takesCookies: false,
    timeoutMs: undefined,
    peerAddress: '192.0.2.1',
    onCancelled: () => undefined,
  };
  const run = serveMethod(deps, UserService.method.getMe, handler);
  const outcome = await run(transport, () => ({
    bytes: undefined,
    decode: () => create(UserService.method.getMe.input),
  }));
  return { outcome, lines };
}

describe('an unexpected error', () => {
  it.each([new Error('secret detail'), new TypeError('secret detail'), 'secret detail', undefined])(
    'gives the caller the request id and nothing else, and is logged whole: %s',
    async (thrown) => {
      const headers = { 'x-request-id': 'my-request' };
      const fail: Handler = async () => {
        throw thrown as Error;
      };
      const { outcome, lines } = await serve(fail, { headers });
      if (!('error' in outcome)) throw new Error('the call was answered');
      expect(outcome.error).toMatchObject({
        code: Code.Internal,
        reason: 'INTERNAL',
        requestId: 'my-request',
      });
      expect(outcome.error.message).toContain('my-request');
      expect(outcome.error.message).not.toContain('secret');
      expect(outcome.error.details).toHaveLength(1);
      expect(outcome.error.details[0]?.value).toMatchObject(
        create(ErrorInfoSchema, {
          reason: 'INTERNAL',
          domain: 'latchkey',
          metadata: { request_id: 'my-request' },
        }),
      );
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain('"level":50');
      expect(lines[0]).toContain('my-request');
      if (thrown instanceof Error) expect(lines[0]).toMatch(/"stack":"\w*Error: secret detail\\n +at /);
    },
  );
});

describe('the request id', () => {
  const answer: Handler = async () => create(GetMeResponseSchema);

  it.each(['a', 'my-request.1:2_3', 'A'.repeat(100)])('is the one that was given: %s', async (given) => {
    expect((await serve(answer, { headers: { 'x-request-id': given } })).outcome.call.requestId).toBe(given);
  });

  it.each(['', ' ', 'A'.repeat(101), 'a b', 'a\nb', '{"a":1}', 'é', 'a, b'])(
    'is one of ours in the place of %j',
    async (given) => {
      const { outcome } = await serve(answer, { headers: { 'x-request-id': given } });
      expect(outcome.call.requestId).toMatch(/^[0-9a-f-]{36}$/);
    },
  );
});

describe('LATCHKEY_MAX_CALL_TIME', () => {
  it('ends a call that takes longer, and aborts the work', async () => {
    vi.useFakeTimers();
    try {
      let isStopped = false;
      const stuck: Handler = (_request, call) =>
        new Promise(() => {
          call.signal.addEventListener('abort', () => {
            isStopped = true;
          });
        });
      const ending = serve(stuck, { maxCallMs: 500 });
      await vi.advanceTimersByTimeAsync(499);
      expect(isStopped).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      const { outcome } = await ending;
      expect(outcome).toMatchObject({ error: { code: Code.DeadlineExceeded, reason: 'DEADLINE_EXCEEDED' } });
      expect(isStopped).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});
