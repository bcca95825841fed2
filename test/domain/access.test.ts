// Holds roles, the access rule, and how a call's credentials become a principal.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { requireAccess } from '../../src/domain/access/access-rule.ts';
import { authenticate, type PresentedCredentials } from '../../src/domain/access/authenticate.ts';
import type { Principal } from '../../src/domain/access/principal.ts';
import { BUILT_IN_ROLES, RoleDirectory, type Role } from '../../src/domain/access/role.ts';
import type { ApiKeyRecord } from '../../src/domain/api-key/api-key.ts';
import { parseNetwork } from '../../src/domain/network/ip-network.ts';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import { revocation, type RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import type { FoundSession } from '../../src/domain/session/session-directory.ts';
import type { VerifiedToken } from '../../src/domain/token/access-token.ts';
import { validateToken } from '../../src/domain/token/validate-token.ts';
import { claimsAt } from '../crypto/token-forge.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { NOW, sampleOwner, sampleSession } from '../support/samples.ts';
import { containing, containingAll } from '../support/matchers.ts';

const AUDIENCE = 'https://api.example.com';

function directory(roles: readonly Role[]): RoleDirectory {
  const roleDirectory = new RoleDirectory();
  roleDirectory.replace(roles);
  return roleDirectory;
}

describe('roles', () => {
  it('each grant all that the role below grants, and more', () => {
    const roles = directory(BUILT_IN_ROLES);
    const granted = ['user', 'moderator', 'admin', 'super_admin'].map((name) => roles.grantedBy(name));
    for (const [index, scopes] of granted.entries()) {
      const below = granted[index - 1] ?? new Set<string>();
      expect([...scopes]).toEqual(containingAll([...below]));
      expect(scopes.size).toBeGreaterThan(below.size);
    }
    expect(roles.grantedBy('user')).toEqual(new Set(['account:read', 'account:write']));
  });

  it('that are unknown grant nothing', () => {
    for (const name of ['', 'USER', 'root', '__proto__', 'constructor']) {
      expect(directory(BUILT_IN_ROLES).grantedBy(name).size).toBe(0);
    }
    expect(directory([{ name: 'a', inherits: 'gone', scopes: ['x'] }]).grantedBy('a')).toEqual(
      new Set(['x']),
    );
  });

  it('in a circle end, and grant what stands in the circle', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const inherits = fc.option(name, { nil: undefined });
    const roles = fc.uniqueArray(fc.record({ name, inherits }), { selector: (role) => role.name });
    fc.assert(
      fc.property(roles, (shapes) => {
        const all = shapes.map((shape) => ({ ...shape, scopes: [`${shape.name}:own`] }));
        for (const role of all) {
          const reached = new Set<string>();
          let next: string | undefined = role.name;
          while (next !== undefined && !reached.has(next)) {
            reached.add(next);
            next = all.find((other) => other.name === next)?.inherits;
          }
          const known = all.filter((other) => reached.has(other.name)).flatMap((other) => other.scopes);
          expect(directory(all).grantedBy(role.name)).toEqual(new Set(known));
        }
      }),
    );
  });

  it('stay as the read that began last has them, whichever ends last', () => {
    const roles = directory(BUILT_IN_ROLES);
    const [early, late] = [roles.beginRead(), roles.beginRead()];
    roles.replace([{ name: 'user', inherits: undefined, scopes: ['new'] }], late);
    roles.replace(BUILT_IN_ROLES, early);
    expect(roles.grantedBy('user')).toEqual(new Set(['new']));
    roles.replace(BUILT_IN_ROLES);
    expect(roles.grantedBy('admin').has('users:write')).toBe(true);
  });

  it('raise the version when some grant changes, and only then', () => {
    const roles = directory(BUILT_IN_ROLES);
    const { version } = roles;
    roles.replace(BUILT_IN_ROLES.toReversed());
    expect(roles.version).toBe(version);
    roles.replace([...BUILT_IN_ROLES, { name: 'empty', inherits: undefined, scopes: [] }]);
    expect(roles.version).toBe(version + 1);
    roles.replace(BUILT_IN_ROLES.map((role) => (role.name === 'user' ? { ...role, scopes: ['x'] } : role)));
    expect(roles.version).toBe(version + 2);
    expect(roles.grantedBy('admin')).toContain('x');
  });
});

describe('the access rule', () => {
  const principal: Principal = {
    subjectId: 'u',
    kind: 'user',
    role: 'user',
    scopes: ['a:read', 'a:write'],
    sessionId: 's',
    credential: 'access_token',
    credentialId: 't',
    authTime: NOW - 300_000,
    amr: ['pwd'],
    version: 1,
    expiresAt: undefined,
    isNetworkBound: false,
  };
  const rule = {
    credentials: ['access_token', 'api_key'],
    scopes: ['a:read'],
    maxAuthAgeMs: 300_000,
    peopleOnly: false,
    loginRequired: true,
    servicesExempt: false,
  } as const;
  const byKey = { credential: 'api_key', authTime: undefined } as const;
  const service = { ...byKey, kind: 'service' } as const;

  it('lets in who has all of it', () => {
    expect(() => requireAccess(rule, principal, NOW)).not.toThrow();
    expect(() => requireAccess({ ...rule, scopes: [] }, principal, NOW)).not.toThrow();
    const exempt = { ...rule, servicesExempt: true };
    expect(() => requireAccess(exempt, { ...principal, ...service }, NOW)).not.toThrow();
  });

  it.each([
    [{ ...rule, credentials: ['session_cookie'] as const }, {}, 'CREDENTIAL_NOT_ALLOWED'],
    [{ ...rule, credentials: [] }, {}, 'CREDENTIAL_NOT_ALLOWED'],
    [{ ...rule, scopes: ['a:read', 'b:read'] }, {}, 'INSUFFICIENT_SCOPE'],
    [rule, { scopes: ['a:rea', 'a:read2', 'A:READ'] }, 'INSUFFICIENT_SCOPE'],
    [rule, { authTime: NOW - 300_001 }, 'STEP_UP_REQUIRED'],
    [rule, { authTime: undefined }, 'CREDENTIAL_NOT_ALLOWED'],
    [rule, byKey, 'CREDENTIAL_NOT_ALLOWED'],
    [rule, service, 'CREDENTIAL_NOT_ALLOWED'],
    [{ ...rule, servicesExempt: true }, byKey, 'CREDENTIAL_NOT_ALLOWED'],
    [{ ...rule, servicesExempt: true, scopes: ['b:read'] }, service, 'INSUFFICIENT_SCOPE'],
    [{ ...rule, servicesExempt: true, peopleOnly: true }, service, 'CREDENTIAL_NOT_ALLOWED'],
  ])('refuses %j to %j', (someRule, change, reason) => {
    expect(() => requireAccess(someRule, { ...principal, ...change }, NOW)).toThrow(containing({ reason }));
  });

  it('names the scopes that are missing', () => {
    const wanted = { ...rule, scopes: ['b:read', 'a:read', 'c:read'] };
    expect(() => requireAccess(wanted, principal, NOW)).toThrow(
      containing({ metadata: { missing_scopes: 'b:read c:read' } }),
    );
  });
});

describe('authenticating', () => {
  const key: ApiKeyRecord = {
    id: 'key-1',
    digest: new Uint8Array(),
    version: 1,
    ownerId: 'service-1',
    ownerKind: 'service',
    ownerActive: true,
    ownerRole: '',
    ownerScopes: ['tokens:validate'],
    ownerVersion: 1,
    scopes: ['tokens:validate', 'roles:write'],
    networks: [],
    expireTime: undefined,
    revokeTime: undefined,
  };
  const owner = sampleOwner('user-2');
  const session = sampleSession(owner.id, { usesCookie: true, scopes: ['account:read', 'users:write'] });
  const faults = new Map<string, VerifiedToken>([
    ['good', { claims: { ...claimsAt(NOW), audience: [AUDIENCE] } }],
    ['elsewhere', { claims: { ...claimsAt(NOW), audience: [`${AUDIENCE}/other`] } }],
    ['expired', { fault: 'expired' }],
    ['early', { fault: 'not_yet_valid' }],
  ]);
  const world = (record: Partial<ApiKeyRecord> = {}, ...revoked: RevocationTarget[]) => {
    const clock = new FakeClock(NOW);
    const revocationIndex = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
    revocationIndex.markFresh(NOW);
    revocationIndex.apply(revoked.map((target) => revocation(target, NOW, 1_000)));
    const [used, strayed]: [string[], string[]] = [[], []];
    return {
      clock,
      revocationIndex,
      used,
      strayed,
      apiKeyUsage: { note: (id: string) => used.push(id) },
      sessionDirectory: {
        find: async (cookie: string) => (cookie === 'lksc_good' ? { session, user: owner } : undefined),
        noteUse: (found: FoundSession) => used.push(found.session.id),
      },
      onKeyOutsideNetworks: (id: string, address: string) => strayed.push(`${id} from ${address}`),
      audience: AUDIENCE,
      roleDirectory: directory(BUILT_IN_ROLES),
      accessTokenVerifier: {
        verify: (token: string): VerifiedToken => faults.get(token) ?? { fault: 'invalid' },
      },
      apiKeyDirectory: {
        find: async (text: string) => (text === 'lkak_good' ? { ...key, ...record } : undefined),
      },
    };
  };
  const present = (
    authorization: string[],
    apiKey: string[] = [],
    sessionCookies: string[] = [],
  ): PresentedCredentials => ({
    authorization,
    apiKey,
    sessionCookies,
    clientAddress: '192.0.2.1',
  });
  const outcome = (presented: PresentedCredentials, deps = world()) =>
    Promise.resolve()
      .then(() => authenticate(deps, presented))
      .then(
        ({ subjectId }) => subjectId,
        (error: { reason?: string }) => error.reason,
      );

  it.each([
    [present([]), 'TOKEN_MISSING'],
    [present(['Bearer good']), 'user-1'],
    [present(['bearer  good']), 'user-1'],
    [present(['Bearer lkak_good']), 'service-1'],
    [present([], ['lkak_good']), 'service-1'],
    [present(['Bearer expired']), 'TOKEN_EXPIRED'],
    [present(['Bearer early']), 'TOKEN_INVALID'],
    [present(['Bearer elsewhere']), 'TOKEN_INVALID'],
    [present(['Bearer lkak_bad']), 'TOKEN_INVALID'],
    [present([], ['good']), 'TOKEN_INVALID'],
    [present([], ['lkak_bad']), 'TOKEN_INVALID'],
    [present([], [], ['lksc_good']), 'user-2'],
    [present([], [], ['lksc_bad']), 'TOKEN_INVALID'],
    [present([], [], ['']), 'TOKEN_INVALID'],
    [present([], [], ['good']), 'TOKEN_INVALID'],
    [present(['Bearer lksc_good']), 'TOKEN_INVALID'],
    [present([], ['lksc_good']), 'TOKEN_INVALID'],
    [present([], [], ['lksc_good', 'lksc_good']), 'TOKEN_INVALID'],
  ])('of %j is %s', async (presented, expected) => {
    expect(await outcome(presented)).toBe(expected);
  });

  it('counts one credential: a bad one is not papered over by a second', async () => {
    expect(await outcome(present(['Bearer good'], ['lkak_bad']))).toBe('user-1');
    expect(await outcome(present(['Bearer bad'], ['lkak_good']))).toBe('TOKEN_INVALID');
    expect(await outcome(present(['Bearer expired'], ['lkak_good']))).toBe('TOKEN_EXPIRED');
    expect(await outcome(present([''], ['lkak_good']))).toBe('TOKEN_INVALID');
    expect(await outcome(present(['Bearer good', 'Bearer good']))).toBe('TOKEN_INVALID');
    expect(await outcome(present([], ['lkak_good', 'lkak_good']))).toBe('TOKEN_INVALID');
    expect(await outcome(present(['Bearer good'], [], ['lksc_bad']))).toBe('user-1');
    expect(await outcome(present(['Bearer bad'], [], ['lksc_good']))).toBe('TOKEN_INVALID');
    expect(await outcome(present([], ['lkak_bad'], ['lksc_good']))).toBe('TOKEN_INVALID');
    expect(await outcome(present([], ['lkak_good'], ['lksc_bad']))).toBe('service-1');
  });

  it.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '::10.1.2.3', false],
    ['192.0.2.7/32', '192.0.2.7', true],
    ['192.0.2.7/32', '192.0.2.8', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::', false],
    ['2001:db8::/32', '32.1.13.184', false],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['0.0.0.0/0', '', false],
    ['0.0.0.0/0', 'unknown', false],
  ])('by a key bound to %s, from %j: %s', async (cidr, clientAddress, isGood) => {
    const networks = ['203.0.113.0/24', cidr].flatMap((text) => parseNetwork(text)?.network ?? []);
    const deps = world({ networks });
    const presented = { ...present(['Bearer lkak_good']), clientAddress };
    expect(await outcome(presented, deps)).toBe(isGood ? 'service-1' : 'TOKEN_INVALID');
    expect(deps.used).toEqual(isGood ? ['key-1'] : []);
    expect(deps.strayed).toEqual(isGood ? [] : [`key-1 from ${clientAddress}`]);
  });

  it('reveals nothing about a bound key to callers outside its networks, nor to a gateway', async () => {
    const networks = [parseNetwork('10.0.0.0/8')?.network].filter((network) => network !== undefined);
    for (const record of [{}, { revokeTime: NOW }, { expireTime: NOW }, { ownerActive: false }]) {
      const deps = world({ networks, ...record });
      expect(await outcome(present(['Bearer lkak_good']), deps)).toBe('TOKEN_INVALID');
      const input = { token: 'lkak_good', audience: '', requiredScopes: [] };
      expect(await validateToken(deps, input)).toEqual({ active: false, reason: 'invalid' });
      expect(deps.used).toEqual([]);
    }
  });

  it('looks at the address only for a key that is bound', async () => {
    let looks = 0;
    const lazy = (authorization: string[]): PresentedCredentials => ({
      ...present(authorization),
      get clientAddress() {
        looks += 1;
        return '10.0.0.1';
      },
    });
    await outcome(lazy(['Bearer good']));
    await outcome(lazy(['Bearer lkak_good']));
    expect(looks).toBe(0);
    const networks = [parseNetwork('10.0.0.0/8')?.network].filter((network) => network !== undefined);
    expect(await outcome(lazy(['Bearer lkak_good']), world({ networks }))).toBe('service-1');
    expect(looks).toBe(1);
  });

  it("counts of a person's key what the role grants now", async () => {
    const record = {
      ownerKind: 'user',
      ownerRole: 'moderator',
      ownerScopes: ['tokens:validate'],
      scopes: ['users:read', 'account:read', 'tokens:validate'],
    } as const;
    const scopesOf = async (change: Partial<ApiKeyRecord>) =>
      (await authenticate(world({ ...record, ...change }), present(['Bearer lkak_good']))).scopes;
    expect(await scopesOf({})).toEqual(['users:read', 'account:read']);
    expect(await scopesOf({ ownerRole: 'user' })).toEqual(['account:read']);
    expect(await scopesOf({ ownerRole: 'gone' })).toEqual([]);
  });

  it.each(['good', 'Bearer', 'Bearer ', 'Bearergood', 'Basic good', 'Bearer good good', ' Bearer good'])(
    'reads no credential from %j',
    async (header) => {
      expect(await outcome(present([header]))).toBe('TOKEN_INVALID');
    },
  );

  it('takes no text for a credential that is none', async () => {
    const text = fc
      .string({ unit: 'binary' })
      .filter((header) => !/^bearer +(good|lkak_good)$/i.test(header));
    await fc.assert(
      fc.asyncProperty(text, async (header) => {
        expect(await outcome(present([header], ['lkak_good']))).toMatch(/^TOKEN_/);
      }),
    );
  });

  it.each([
    { form: 'token', id: 'token-1' },
    { form: 'session', id: 'session-1' },
    { form: 'subject', id: 'user-1', minVersion: 4 },
  ] as const)('refuses a token that is revoked by %j', async (target) => {
    expect(await outcome(present(['Bearer good']), world({}, target))).toBe('TOKEN_REVOKED');
  });

  it('refuses a key that is revoked, expired, or of an owner who is gone', async () => {
    const presented = present([], ['lkak_good']);
    expect(await outcome(presented, world({}, { form: 'session', id: 'key-1' }))).toBe('TOKEN_REVOKED');
    expect(await outcome(presented, world({ revokeTime: NOW }))).toBe('TOKEN_REVOKED');
    expect(await outcome(presented, world({ ownerActive: false }))).toBe('TOKEN_REVOKED');
    expect(await outcome(presented, world({ expireTime: NOW }))).toBe('TOKEN_EXPIRED');
    expect(await outcome(presented, world({ expireTime: NOW + 1 }))).toBe('service-1');
  });

  it('never gives more than is granted now', async () => {
    const { scopes } = await authenticate(world(), present([], ['lkak_good']));
    expect(scopes).toEqual(['tokens:validate']);
    const ofUser = { ownerKind: 'user', ownerRole: 'user', scopes: ['account:read', 'users:write'] } as const;
    const user = await authenticate(world(ofUser), present([], ['lkak_good']));
    expect(user.scopes).toEqual(['account:read']);
    const deps = world();
    deps.roleDirectory.replace([{ name: 'user', inherits: undefined, scopes: ['account:read'] }]);
    expect((await authenticate(deps, present(['Bearer good']))).scopes).toEqual(['account:read']);
    deps.roleDirectory.replace([]);
    expect((await authenticate(deps, present(['Bearer good']))).scopes).toEqual([]);
  });

  it('does not answer when stale, and still rejects a forged token', async () => {
    const deps = world();
    deps.clock.advance(5_001);
    expect(await outcome(present(['Bearer good']), deps)).toBe('REVOCATIONS_STALE');
    expect(await outcome(present([], ['lkak_good']), deps)).toBe('REVOCATIONS_STALE');
    expect(await outcome(present(['Bearer bad']), deps)).toBe('TOKEN_INVALID');
  });
});
