// Holds the verdicts on cached tokens: what was good is good only for as long as it is, alone and in a batch.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  BatchValidateTokensRequestSchema,
  BatchValidateTokensResponseSchema,
  ValidateTokenRequestSchema,
  ValidateTokenResponseSchema,
} from '../../gen/latchkey/v1/auth_service_pb.ts';
import { InactiveReason } from '../../gen/latchkey/v1/token_pb.ts';
import { BUILT_IN_ROLES, RoleDirectory } from '../../src/domain/access/role.ts';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import type { RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import { encodedValidation } from '../../src/edge/operations/auth/encoded-validation.ts';
import { claimsAt, TOKEN_TTL_MS, tokenForge } from '../crypto/token-forge.ts';

async function world() {
  const forge = await tokenForge();
  const { clock, keyset, stored, verifier, signer } = forge;
  const revocationIndex = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
  revocationIndex.markFresh(clock.now());
  const roleDirectory = RoleDirectory.of(BUILT_IN_ROLES);
  const read: string[] = [];
  const encodedHandlers = handlersOf({
    clock,
    revocationIndex,
    roleDirectory,
    verifier,
    onVerify: (token) => read.push(token),
  });
  const validate = async (token: string) => {
    const request = toBinary(ValidateTokenRequestSchema, create(ValidateTokenRequestSchema, { token }));
    const response = await encodedHandlers.validateToken(Buffer.from(request));
    if (response === undefined) throw new Error('the request was left to the other handler');
    return fromBinary(ValidateTokenResponseSchema, response);
  };
  const validateAll = async (tokens: readonly string[]) => {
    const requests = tokens.map((token) => ({ token }));
    const request = toBinary(
      BatchValidateTokensRequestSchema,
      create(BatchValidateTokensRequestSchema, { requests }),
    );
    const response = await encodedHandlers.batchValidateTokens(Buffer.from(request));
    if (response === undefined) throw new Error('the request was left to the other handler');
    return fromBinary(BatchValidateTokensResponseSchema, response).responses;
  };
  const sign = (change: Partial<ReturnType<typeof claimsAt>> = {}) =>
    signer.sign({ ...claimsAt(clock.now()), ...change });
  const revoke = (target: RevocationTarget) =>
    revocationIndex.apply([revocation(target, clock.now(), TOKEN_TTL_MS)]);
  return {
    clock,
    keyset,
    stored,
    revocationIndex,
    roleDirectory,
    validate,
    validateAll,
    sign,
    revoke,
    read,
  };
}

type Parts = {
  readonly clock: Awaited<ReturnType<typeof tokenForge>>['clock'];
  readonly verifier: Awaited<ReturnType<typeof tokenForge>>['verifier'];
  readonly revocationIndex: RevocationIndex;
  readonly roleDirectory: RoleDirectory;
  readonly onVerify: (token: string) => void;
};

function handlersOf({ clock, revocationIndex, roleDirectory, verifier, onVerify }: Parts) {
  const deps = {
    clock,
    revocationIndex,
    roleDirectory,
    cachedTokens: verifier,
    accessTokenVerifier: {
      verify: (token: string) => {
        onVerify(token);
        return verifier.verify(token);
      },
    },
    apiKeyDirectory: { find: () => undefined },
    apiKeyUsage: { note: () => undefined },
    sessionDirectory: { find: () => undefined, noteUse: () => undefined },
    onKeyOutsideNetworks: () => undefined,
    audience: 'https://api.example.com',
  };
  return encodedValidation(deps);
}

describe('a cached token', () => {
  it('is answered without verifying it again, and as at the first time', async () => {
    const { validate, validateAll, sign, read } = await world();
    const token = await sign();
    const first = await validate(token);
    expect(first).toMatchObject({
      active: true,
      principal: { subjectId: 'user-1', sessionId: 'session-1', scopes: ['account:read', 'account:write'] },
    });
    expect(await validate(token)).toEqual(first);
    expect(await validateAll([token, token])).toEqual([first, first]);
    expect(read).toEqual([token]);
  });

  it.each<RevocationTarget>([
    { form: 'token', id: 'token-1' },
    { form: 'session', id: 'session-1' },
    { form: 'subject', id: 'user-1', minVersion: 4 },
  ])('is revoked at once by %j, and its neighbours are not', async (target) => {
    const { validate, validateAll, sign, revoke } = await world();
    const token = await sign();
    const other = await sign({ tokenId: 'token-2', sessionId: 'session-2', subjectId: 'user-2' });
    await validateAll([token, other]);
    revoke(target);
    const revoked = { active: false, inactiveReason: InactiveReason.REVOKED };
    expect(await validate(token)).toMatchObject(revoked);
    expect(await validateAll([other, token])).toMatchObject([{ active: true }, revoked]);
  });

  it('is good until a revocation that lies ahead, and not beyond', async () => {
    const { validate, sign, revoke, clock } = await world();
    const token = await sign();
    await validate(token);
    revoke({ form: 'session', id: 'session-1', effectTime: clock.now() + 2_000 });
    clock.advance(1_999);
    expect(await validate(token)).toMatchObject({ active: true });
    clock.advance(1);
    expect(await validate(token)).toMatchObject({ inactiveReason: InactiveReason.REVOKED });
  });

  it('expires, and tells so in time by its cache_ttl', async () => {
    const { validate, sign, clock, revocationIndex } = await world();
    const token = await sign();
    expect((await validate(token)).cacheTtl).toMatchObject({ seconds: 5n });
    clock.advance(TOKEN_TTL_MS - 2_000);
    revocationIndex.markFresh(clock.now());
    expect((await validate(token)).cacheTtl).toMatchObject({ seconds: 2n });
    clock.advance(7_000);
    revocationIndex.markFresh(clock.now());
    expect(await validate(token)).toMatchObject({ inactiveReason: InactiveReason.EXPIRED });
  });

  it('has what its role grants now', async () => {
    const { validate, sign, roleDirectory } = await world();
    const token = await sign();
    await validate(token);
    roleDirectory.replace([{ name: 'user', inherits: undefined, scopes: ['account:read'] }]);
    expect((await validate(token)).principal?.scopes).toEqual(['account:read']);
    roleDirectory.replace(BUILT_IN_ROLES);
    expect((await validate(token)).principal?.scopes).toEqual(['account:read', 'account:write']);
  });

  it('is invalid once the key that signed it has left', async () => {
    const { validate, sign, keyset, stored } = await world();
    const token = await sign();
    await validate(token);
    stored.keys = [];
    await keyset.reload();
    expect(await validate(token)).toMatchObject({ inactiveReason: InactiveReason.INVALID });
  });

  it('is for its audience alone', async () => {
    const { validate, sign } = await world();
    const token = await sign({ audience: ['https://other.example.com'] });
    const wrong = { active: false, inactiveReason: InactiveReason.WRONG_AUDIENCE };
    expect(await validate(token)).toMatchObject(wrong);
    expect(await validate(token)).toMatchObject(wrong);
  });

  it('is not judged while revocations are stale', async () => {
    const { validate, validateAll, sign, clock } = await world();
    const token = await sign();
    await validate(token);
    clock.advance(5_001);
    await expect(validate(token)).rejects.toMatchObject({ reason: 'REVOCATIONS_STALE' });
    await expect(validateAll([token])).rejects.toMatchObject({ reason: 'REVOCATIONS_STALE' });
  });
});

describe('a batch of cached and other tokens', () => {
  it('is answered in the order asked', async () => {
    const { validate, validateAll, sign } = await world();
    const warm = await sign();
    await validate(warm);
    const cold = await sign({ tokenId: 'token-2', subjectId: 'user-2' });
    const responses = await validateAll(['x.y.z', cold, warm, 'lkak_none', cold]);
    expect(responses.map(({ principal }) => principal?.subjectId)).toEqual([
      undefined,
      'user-2',
      'user-1',
      undefined,
      'user-2',
    ]);
    expect(responses[0]).toMatchObject({ inactiveReason: InactiveReason.INVALID });
  });

  it('does not answer by what was good before it had to wait', async () => {
    const { validate, validateAll, sign, revoke } = await world();
    const warm = await sign();
    await validate(warm);
    const cold = await sign({ tokenId: 'token-2', sessionId: 'session-2' });
    const answered = validateAll([warm, cold]);
    revoke({ form: 'token', id: 'token-1' });
    expect((await answered).map(({ active }) => active)).toEqual([false, true]);
  });
});
