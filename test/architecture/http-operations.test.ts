// Pins who may call each endpoint of plain HTTP, and what limits it.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { httpOperations } from '../../src/edge/http/routes.ts';
import { introspectOperation } from '../../src/edge/operations/oauth/introspect.ts';
import { accessTable } from '../../src/edge/pipeline/access-table.ts';
import { startTestService, type TestService } from '../support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const validation = accessTable([AuthService], { anonymousValidation: false }).get(
  AuthService.method.validateToken,
);

it('has the access that is written here', () => {
  if (validation === undefined) throw new Error('ValidateToken has no access rule');
  const { documents, oauth } = httpOperations({
    ...service.app,
    readiness: () => ({ status: 'unavailable', checks: {} }),
    introspectionAccess: validation,
    issuer: 'https://id.example/base',
    publicUrl: 'https://id.example',
  });
  const pins = [...documents, ...oauth].map(({ name, access }) =>
    [name, access.mode, access.limitClass].join(' ').trim(),
  );
  expect(pins).toEqual([
    '/healthz public',
    '/readyz public',
    '/.well-known/jwks.json public',
    '/.well-known/oauth-authorization-server public',
    '/.well-known/oauth-authorization-server/base public',
    '/oauth2/introspect guarded introspect',
    '/oauth2/revoke public revoke',
  ]);
});

it('introspection asks for what ValidateToken asks for', () => {
  if (validation === undefined) throw new Error('ValidateToken has no access rule');
  const issuer = 'https://id.example';
  const { access } = introspectOperation({ ...service.app, issuer }, validation);
  expect(access).toEqual({ ...validation, limitClass: 'introspect' });
});
