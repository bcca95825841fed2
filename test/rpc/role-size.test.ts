// What UpsertRole accepts fits: a token of the role is taken by every protocol, as a credential and as what is asked about.

import { assert, asyncProperty, integer, tuple } from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { MAX_ACCESS_TOKEN_BYTES } from '../../src/domain/access/token-size.ts';
import { accessTokenSizer } from '../../src/crypto/tokens/access-token-size.ts';
import type { Member } from '../support/members.ts';
import { firstAdministrator, member } from '../support/members.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import type { TestService } from '../support/service.ts';
import { bearer, PROTOCOLS, signIn, startTestService } from '../support/service.ts';

let service: TestService;
let root: Member;
let holder: Member;
beforeAll(async () => {
  // RS256 has the longest signatures.
  service = await startTestService({ variables: { SIGNING_ALGORITHM: 'RS256' } });
  root = await firstAdministrator(service);
  holder = await member(service, 'holder');
});
afterAll(() => service.stop());

const scopesOf = (count: number, length: number, name = 's') =>
  Array.from({ length: count }, (_, index) => `${name}${index}:`.padEnd(length, 'x'));
const upsert = (name: string, scopes: string[], inherits = '') =>
  service.admin().upsertRole({ role: { name, scopes, inherits } }, root.options);

it('a role of long scopes is refused by size and bound, or its tokens work everywhere', async () => {
  let refused = 0;
  let accepted = 0;
  await assert(
    asyncProperty(
      tuple(integer({ min: 1, max: 100 }), integer({ min: 10, max: 100 })),
      async ([count, length]) => {
        const made = await upsert('large', scopesOf(count, length)).catch((error: unknown) => error);
        if (made instanceof Error) {
          refused += 1;
          const { reason, fields, message } = await refusalOf(Promise.reject(made));
          expect({ reason, fields }).toEqual({ reason: 'VALIDATION_FAILED', fields: ['role.scopes'] });
          expect(message).toMatch(/of role large \d+ bytes long; 7168 fit/);
          return;
        }
        accepted += 1;
        await service.admin().setUserRole({ userId: holder.id, role: 'large' }, root.options);
        const { accessToken } = await signIn(service, holder.email);
        expect(accessToken.length).toBeLessThanOrEqual(MAX_ACCESS_TOKEN_BYTES);
        for (const protocol of PROTOCOLS) {
          const { active } = await service.auth(protocol).validateToken({ token: accessToken }, root.options);
          expect(active).toBe(true);
          // It has no scope for this, and is read all the same.
          const refusal = await refusalOf(
            service.auth(protocol).validateToken({ token: accessToken }, bearer(accessToken)),
          );
          expect(refusal.reason).toBe('INSUFFICIENT_SCOPE');
        }
      },
    ),
    { numRuns: 12, examples: [[[1, 10]], [[100, 100]], [[40, 100]], [[44, 100]]] },
  );
  expect(refused).toBeGreaterThan(0);
  expect(accepted).toBeGreaterThan(0);
});

it('a parent that would make a child too large is refused, and so is a child of a large parent', async () => {
  await upsert('parent', scopesOf(20, 100, 'p'));
  await upsert('child', scopesOf(20, 100, 'c'), 'parent');
  const { message, fields } = await refusalOf(upsert('parent', scopesOf(40, 100, 'p')));
  expect(fields).toEqual(['role.scopes']);
  expect(message).toContain('of role child');
  expect((await refusalOf(upsert('grandchild', scopesOf(20, 100, 'g'), 'child'))).message).toContain(
    'grandchild',
  );
  // Built-in roles grow with what they inherit too.
  const user = ['account:read', 'account:write', ...scopesOf(60, 100, 'u')];
  const refusal = await refusalOf(upsert('user', user));
  expect(refusal.message).toContain('of role user');
  expect(refusal.message).toContain('of role super_admin');
});

it('a service account is bounded alike', async () => {
  const create = (scopes: string[]) =>
    service.admin().createServiceAccount({ name: `s${scopes.length}`, scopes }, root.options);
  await upsert('user', ['account:read', 'account:write', ...scopesOf(20, 100, 'u')]);
  const { fields, reason } = await refusalOf(create(scopesOf(100, 100, 'z')));
  expect({ fields, reason }).toEqual({ fields: ['scopes'], reason: 'VALIDATION_FAILED' });
});

it('the size is not less than that of a real token, whichever algorithm signs', async () => {
  const { accessToken } = root;
  const payload: unknown = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString());
  const { scope } = z.object({ scope: z.string() }).parse(payload);
  const sizeOf = accessTokenSizer({ issuer: 'http://latchkey.test', audience: 'latchkey' });
  expect(accessToken.length).toBeLessThanOrEqual(sizeOf('super_admin', scope.split(' ')));
});
