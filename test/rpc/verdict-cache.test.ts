// Holds the cache of verdicts: what was good is good only for as long as it is.

import { create } from '@bufbuild/protobuf';
import { ValidateTokenResponseSchema } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { describe, expect, it } from 'vitest';
import { RoleDirectory } from '../../src/domain/access/role.ts';
import type { Principal } from '../../src/domain/access/principal.ts';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import type { RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import type { Transport } from '../../src/edge/pipeline/call.ts';
import { Call } from '../../src/edge/pipeline/call.ts';
import { VerdictCache } from '../../src/edge/pipeline/verdict-cache.ts';
import { FakeClock } from '../support/fake-clock.ts';

const gateway: Principal = {
  subjectId: 'gateway',
  kind: 'service',
  role: '',
  scopes: ['tokens:validate'],
  sessionId: undefined,
  credential: 'api_key',
  credentialId: 'key',
  authTime: undefined,
  amr: [],
  version: 1,
  expiresAt: undefined,
  isNetworkBound: false,
};

function world(lifeMs = 900_000) {
  const clock = new FakeClock();
  const revocationIndex = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
  const roleDirectory = new RoleDirectory();
  revocationIndex.markFresh(clock.now());
  const used: string[] = [];
  const apiKeyUsage = { note: (id: string) => used.push(id) };
  const keyset = { version: 0 };
  const cache = new VerdictCache({ clock, revocationIndex, roleDirectory, keyset, apiKeyUsage });
  const ada: Principal = {
    ...gateway,
    subjectId: 'ada',
    kind: 'user',
    role: 'user',
    credential: 'access_token',
    credentialId: 'jti',
    sessionId: 'sid',
    version: 3,
    expiresAt: clock.now() + lifeMs,
  };
  const response = create(ValidateTokenResponseSchema, { active: true });
  const remember = (transport: Transport, caller: Principal | undefined = gateway) => {
    const call = new Call('latchkey.v1.AuthService/ValidateToken', transport, {
      clientAddress: () => '',
      cookieOrigins: new Set(),
    });
    call.principal = caller;
    cache.store(call, ada, response);
  };
  const revoke = (target: RevocationTarget) =>
    revocationIndex.apply([revocation(target, clock.now(), 900_000)]);
  return { clock, revocationIndex, roleDirectory, keyset, cache, response, remember, revoke, used };
}

function asked(question: string, ...authorization: string[]): Transport {
  return {
    headerValues: (name) => (name === 'authorization' ? authorization : []),
    requestBytes: Buffer.from(question),
    takesCookies: false,
    timeoutMs: undefined,
    peerAddress: '',
    onCancelled: () => undefined,
  };
}

const question = asked('token', 'Bearer key');

describe('the cache of verdicts', () => {
  it('knows the same question by the same caller, and no other', () => {
    const { cache, remember, response } = world();
    expect(cache.find(question)).toBeUndefined();
    remember(question);
    expect(cache.find(asked('token', 'Bearer key'))).toBe(response);
    const others = [
      asked('other', 'Bearer key'),
      asked('token', 'Bearer kez'),
      asked('token'),
      asked('token', 'Bearer key', 'Bearer x'),
    ];
    for (const other of others) expect(cache.find(other)).toBeUndefined();
    expect(cache.find({ ...question, requestBytes: undefined })).toBeUndefined();
  });

  it('forgets when a signing key has left', () => {
    const { cache, remember, response, keyset } = world();
    remember(question);
    expect(cache.find(question)).toBe(response);
    keyset.version += 1;
    expect(cache.find(question)).toBeUndefined();
    keyset.version -= 1;
    expect(cache.find(question)).toBeUndefined();
  });

  // It was told to whoever asked the same, credential or none.
  it('tells nobody else what a caller with x-api-key was told', () => {
    const { cache, remember, response } = world();
    const byKey = (apiKey: string[], ...authorization: string[]): Transport => ({
      ...question,
      headerValues: (name) => ({ authorization, 'x-api-key': apiKey })[name] ?? [],
    });
    remember(byKey(['lkak_a']));
    expect(cache.find(byKey(['lkak_a']))).toBe(response);
    const others = [
      byKey([]),
      byKey(['']),
      byKey(['lkak_b']),
      byKey(['lkak_a', 'lkak_a']),
      byKey(['lkak_a'], ''),
      byKey(['lkak_a'], 'Bearer key'),
      byKey([], 'lkak_a'),
    ];
    for (const other of others) expect(cache.find(other)).toBeUndefined();
  });

  it.each<RevocationTarget>([
    { form: 'token', id: 'jti' },
    { form: 'session', id: 'sid' },
    { form: 'subject', id: 'ada', minVersion: 4 },
    { form: 'session', id: 'key' },
    { form: 'subject', id: 'gateway', minVersion: 2 },
  ])('forgets at once what %j revokes, of the token or of the caller', (target) => {
    const { cache, remember, revoke } = world();
    remember(question);
    revoke(target);
    expect(cache.find(question)).toBeUndefined();
  });

  it('keeps nothing for a caller who is bound to networks: the next call may come from elsewhere', () => {
    const { cache, remember } = world();
    remember(question, { ...gateway, isNetworkBound: true });
    expect(cache.find(question)).toBeUndefined();
  });

  it('counts each answer as a use of the key that asked', () => {
    const { cache, remember, revoke, used } = world();
    remember(question);
    cache.find(question);
    cache.find(question);
    expect(used).toEqual(['key', 'key']);
    revoke({ form: 'session', id: 'key' });
    cache.find(question);
    expect(used).toHaveLength(2);
  });

  it('holds until a revocation that lies ahead, and not beyond', () => {
    const { cache, remember, revoke, clock } = world();
    remember(question);
    revoke({ form: 'session', id: 'key', effectTime: clock.now() + 2_000 });
    clock.advance(1_999);
    expect(cache.find(question)).toBeDefined();
    clock.advance(1);
    expect(cache.find(question)).toBeUndefined();
  });

  it('holds through the revocation of something else', () => {
    const { cache, remember, revoke, response } = world();
    remember(question);
    revoke({ form: 'token', id: 'another' });
    revoke({ form: 'subject', id: 'ada', minVersion: 3 });
    expect(cache.find(question)).toBe(response);
  });

  it('says nothing when a role grants something else, when revocations are stale, or after a while', () => {
    const { cache, remember, roleDirectory, revocationIndex, clock } = world();
    remember(question);
    roleDirectory.replace([{ name: 'user', inherits: undefined, scopes: [] }]);
    expect(cache.find(question)).toBeUndefined();
    remember(question);
    clock.advance(5_001);
    expect(cache.find(question)).toBeUndefined();
    revocationIndex.markFresh(clock.now());
    remember(question);
    clock.advance(10_000);
    revocationIndex.markFresh(clock.now());
    expect(cache.find(question)).toBeUndefined();
  });

  it('keeps no verdict whose cache_ttl would shrink before the token expires', () => {
    const { cache, remember, clock, revocationIndex, response } = world(8_000);
    remember(question);
    clock.advance(2_999);
    expect(cache.find(question)).toBe(response);
    clock.advance(1);
    revocationIndex.markFresh(clock.now());
    expect(cache.find(question)).toBeUndefined();
  });
});
