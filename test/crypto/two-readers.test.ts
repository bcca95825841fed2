// Holds the two readers of access tokens equal: the service's and the verifier's, which may not import each other.

import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { Claims as ServiceClaims } from '../../src/crypto/tokens/access-token-codec.ts';
import { CLOCK_SKEW_MS as SERVICE_SKEW_MS } from '../../src/domain/token/access-token.ts';
import {
  Claims as VerifierClaims,
  CLOCK_SKEW_MS as VERIFIER_SKEW_MS,
} from '../../src/verifier/access-token.ts';

it('they ask for the same claims', () => {
  const shapeOf = (claims: z.ZodType) => z.toJSONSchema(claims, { io: 'input' });
  expect(shapeOf(VerifierClaims)).toEqual(shapeOf(ServiceClaims));
});

it('they make the same of them', () => {
  const text = fc.string();
  const number = fc.oneof(fc.integer(), fc.double());
  const claims = fc.record(
    {
      jti: text,
      sub: text,
      aud: fc.oneof(text, fc.array(text), fc.constant(undefined)),
      iat: number,
      nbf: number,
      exp: number,
      client_id: text,
      sid: text,
      scope: text,
      role: text,
      ver: number,
      amr: fc.array(text),
      auth_time: number,
    },
    { requiredKeys: ['jti', 'sub', 'aud', 'iat', 'nbf', 'exp', 'client_id', 'scope', 'role', 'ver'] },
  );
  fc.assert(
    fc.property(claims, (payload) => {
      const [service, verifier] = [ServiceClaims, VerifierClaims].map((reader) => reader.safeParse(payload));
      expect(verifier?.success).toBe(service?.success);
      expect(verifier?.data).toEqual(service?.data);
    }),
  );
});

it('they allow clocks to be off alike', () => {
  expect(VERIFIER_SKEW_MS).toBe(SERVICE_SKEW_MS);
});
