// What is open: public RPCs, anonymous validation; and what an admitted caller may do.

import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { signToken } from '../support/forged-tokens.ts';
import {
  allEnd,
  callers,
  endings,
  clearRuns,
  guardedMethods,
  ran,
  servedRules,
} from '../support/recorded-handlers.ts';
import { nameOf } from '../support/rpc-calls.ts';
import { PROTOCOLS, startTestService, type TestService } from '../support/service.ts';

vi.mock(import('../../src/edge/operations/handlers.ts'), async () => ({
  servedService: (await import('../support/recorded-handlers.ts')).recordedService,
}));

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

beforeEach(clearRuns);

describe('on a service as it comes', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service.stop());

  it.each(PROTOCOLS)('a public method looks at no credential, over %s', async (protocol) => {
    const methods = servedRules().flatMap(([method, rule]) => (rule.mode === 'public' ? [method] : []));
    expect(methods.map(nameOf)).toContain('AuthService/Login');
    const [good, expired] = [await signToken(service.app), await signToken(service.app, { exp: 1 })];
    for (const headers of [
      {},
      bearer('garbage'),
      bearer(expired),
      bearer(good),
      { 'x-api-key': 'no key' },
      { authorization: '' },
    ]) {
      clearRuns();
      expect(await endings(service, protocol, methods, headers)).toEqual(allEnd(methods, 'OK'));
      expect(ran).toEqual(methods.map(nameOf));
      expect(callers).toEqual(methods.map(() => undefined));
    }
  });

  it.each(PROTOCOLS)(
    'a caller has the scopes that the token carries and the role still grants, over %s',
    async (protocol) => {
      const [method] = guardedMethods().find(([{ name }]) => name === 'GetMe') ?? [];
      const scope = 'tokens:validate account:read users:write';
      const call = async (token: string) =>
        Object.values(await endings(service, protocol, [method!], bearer(token)))[0];
      const token = await signToken(service.app, { role: 'user', scope });
      expect(await call(token)).toBe('OK');
      expect(callers.at(-1)?.scopes).toEqual(['account:read']);

      const userRole = () => service.app.database.tables.updateTable('roles').where('name', '=', 'user');
      const reload = async () => service.app.roleDirectory.replace(await service.app.roles.list());
      await userRole()
        .set({ scopes: ['account:write'] })
        .execute();
      await reload();
      const narrowed = await call(token);
      await userRole()
        .set({ scopes: ['account:read', 'account:write'] })
        .execute();
      await reload();
      expect(narrowed).toBe('PermissionDenied INSUFFICIENT_SCOPE latchkey');
      expect(await call(token)).toBe('OK');
    },
  );
});

describe('with LATCHKEY_ANONYMOUS_VALIDATION=true', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({ variables: { ANONYMOUS_VALIDATION: 'true' } });
  });
  afterAll(() => service.stop());

  it.each(PROTOCOLS)(
    'anyone may call ValidateToken and BatchValidateTokens, and nothing else, over %s',
    async (protocol) => {
      const methods = guardedMethods().map(([method]) => method);
      const found = await endings(service, protocol, methods);
      const opened = methods.filter(({ name }) => ['ValidateToken', 'BatchValidateTokens'].includes(name));
      const expected = {
        ...allEnd(methods, 'Unauthenticated TOKEN_MISSING latchkey'),
        ...allEnd(opened, 'OK'),
      };
      expect(found).toEqual(expected);
      expect(ran).toEqual(opened.map(nameOf));
    },
  );
});
