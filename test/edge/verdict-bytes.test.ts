// Holds what is read and written without messages equal to what decoding and encoding the messages gives.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BatchValidateTokensRequestSchema,
  BatchValidateTokensResponseSchema,
  ValidateTokenRequestSchema,
  ValidateTokenResponseSchema,
} from '../../gen/latchkey/v1/auth_service_pb.ts';
import { InactiveReason } from '../../gen/latchkey/v1/token_pb.ts';
import type { Principal } from '../../src/domain/access/principal.ts';
import { encodePrincipal } from '../../src/edge/messages/encode.ts';
import { textOf, tokenIn, tokensIn } from '../../src/edge/messages/plain-tokens.ts';
import type { WrittenVerdict } from '../../src/edge/messages/verdict-writer.ts';
import { encodeVerdict, encodeVerdicts } from '../../src/edge/messages/verdict-writer.ts';

const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 200 }));
const name = fc.string({ minLength: 1, maxLength: 200 });
const time = fc.oneof(
  fc.integer({ min: 0, max: 253_402_300_799_000 }),
  fc.integer({ min: -1_000_000_000_000, max: 4_000 }),
);

const principals: fc.Arbitrary<Principal> = fc.record({
  subjectId: name,
  kind: fc.constantFrom('user', 'service'),
  role: text,
  scopes: fc.array(name, { maxLength: 30 }),
  sessionId: fc.option(text, { nil: undefined }),
  credential: fc.constantFrom('access_token', 'api_key', 'session_cookie'),
  credentialId: name,
  authTime: fc.option(time, { nil: undefined }),
  amr: fc.array(name, { maxLength: 5 }),
  version: fc.nat(),
  expiresAt: fc.option(time, { nil: undefined }),
  isNetworkBound: fc.boolean(),
});

const verdicts: fc.Arbitrary<WrittenVerdict> = fc.oneof(
  fc.record({
    active: fc.constant(true as const),
    principal: principals,
    cacheTtlMs: fc.integer({ min: 0, max: 5_000 }),
  }),
  fc.record({
    active: fc.constant(false as const),
    reason: fc.constantFrom(InactiveReason.INVALID, InactiveReason.REVOKED, InactiveReason.EXPIRED),
  }),
);

function message(verdict: WrittenVerdict) {
  if (!verdict.active)
    return create(ValidateTokenResponseSchema, { active: false, inactiveReason: verdict.reason });
  const { principal, cacheTtlMs } = verdict;
  return create(ValidateTokenResponseSchema, {
    active: true,
    principal: encodePrincipal(principal),
    ...(principal.expiresAt === undefined ? {} : { expiresAt: timestampFromMs(principal.expiresAt) }),
    cacheTtl: durationFromMs(cacheTtlMs),
  });
}

describe('a written verdict', () => {
  it('is to the byte what encoding its message gives', () => {
    fc.assert(
      fc.property(verdicts, (verdict) => {
        const expected = toBinary(ValidateTokenResponseSchema, message(verdict));
        expect(encodeVerdict(verdict).equals(expected)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is so in a batch, whatever its neighbours', () => {
    fc.assert(
      fc.property(fc.array(verdicts, { maxLength: 20 }), (batch) => {
        const responses = batch.map((verdict) => message(verdict));
        const expected = toBinary(
          BatchValidateTokensResponseSchema,
          create(BatchValidateTokensResponseSchema, { responses }),
        );
        expect(encodeVerdicts(batch).equals(expected)).toBe(true);
      }),
    );
  });

  it('is not that of another role or kind with the same array of scopes', () => {
    const scopes = ['account:read'];
    const [first] = fc.sample(principals, 1);
    if (first === undefined) throw new Error('no sample');
    for (const [role, kind] of [
      ['user', 'user'],
      ['admin', 'user'],
      ['admin', 'service'],
    ] as const) {
      const verdict = { active: true as const, principal: { ...first, scopes, role, kind }, cacheTtlMs: 1 };
      const decoded = fromBinary(ValidateTokenResponseSchema, encodeVerdict(verdict));
      expect(decoded.principal).toMatchObject({ role, kind: kind === 'user' ? 1 : 2 });
    }
  });
});

describe('tokens read without decoding', () => {
  const requests = fc.record({
    token: fc.oneof(fc.constant(''), text, fc.string({ minLength: 120, maxLength: 20_000 })),
    audience: fc.oneof({ weight: 3, arbitrary: fc.constant('') }, text),
    requiredScopes: fc.oneof(
      { weight: 3, arbitrary: fc.constant<string[]>([]) },
      fc.array(name, { maxLength: 2 }),
    ),
  });

  it('are those of requests that hold nothing else', () => {
    fc.assert(
      fc.property(requests, (fields) => {
        const bytes = toBinary(ValidateTokenRequestSchema, create(ValidateTokenRequestSchema, fields));
        const isPlain = fields.token !== '' && fields.audience === '' && fields.requiredScopes.length === 0;
        const read = tokenIn(Buffer.from(bytes));
        expect(read?.toString()).toBe(isPlain ? fields.token : undefined);
      }),
    );
  });

  it('are all those of a batch, or none', () => {
    fc.assert(
      fc.property(fc.array(requests, { maxLength: 6 }), (batch) => {
        const bytes = toBinary(
          BatchValidateTokensRequestSchema,
          create(BatchValidateTokensRequestSchema, { requests: batch }),
        );
        const isPlain = batch.every(
          ({ token, audience, requiredScopes }) =>
            token !== '' && audience === '' && requiredScopes.length === 0,
        );
        const expected = isPlain && batch.length > 0 && batch.length <= 5;
        expect(tokensIn(Buffer.from(bytes), 5)?.map(String)).toEqual(
          expected ? batch.map(({ token }) => token) : undefined,
        );
      }),
    );
  });

  it('are never what the decoder would read otherwise, whatever the bytes', () => {
    const bytes = fc.array(fc.oneof(fc.constant(0x0a), fc.nat({ max: 12 }), fc.nat({ max: 255 })), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(bytes, (given) => {
        const read = tokenIn(Buffer.from(given));
        if (read === undefined || textOf(read) === undefined) return;
        expect(fromBinary(ValidateTokenRequestSchema, Uint8Array.from(given))).toMatchObject({
          token: textOf(read),
          audience: '',
          requiredScopes: [],
        });
      }),
      { numRuns: 2_000 },
    );
  });

  it('are texts only when they are printable ASCII of a bearable length', () => {
    expect(textOf(Buffer.from('lkak_x'))).toBe('lkak_x');
    for (const other of ['a b', 'ä', '\u0000', '', 'x'.repeat(16_385)])
      expect(textOf(Buffer.from(other))).toBeUndefined();
  });
});
