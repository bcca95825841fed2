// Refusals at the gate are events: over every protocol, of unary calls and of streams.

import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { AdminService } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import { eventually } from '../support/eventually.ts';
import { issueApiKey, signToken } from '../support/forged-tokens.ts';
import { firstAdministrator, member, type Member } from '../support/members.ts';
import { callMethod, refusalOf } from '../support/rpc-calls.ts';
import { bearer, PROTOCOLS, startTestService, type TestService } from '../support/service.ts';

let service: TestService;
/** Somebody of whom nothing has been noted. */
let somebody: string;
let administrator: Member;

beforeAll(async () => {
  service = await startTestService();
  administrator = await firstAdministrator(service);
});
afterAll(() => service.stop());
beforeEach(() => {
  somebody = service.app.newId();
});

async function refusals(actorId: string) {
  await service.app.accessRefusals.idle();
  const rows = await service.app.database.tables
    .selectFrom('audit_events')
    .selectAll()
    .where('kind', '=', 'access.refuse')
    .where('actor_id', '=', actorId)
    .orderBy('id')
    .execute();
  return rows.map(({ reason, outcome, account_id, target_id, request_id, details }) => ({
    reason,
    outcome,
    accountId: account_id,
    targetId: target_id,
    requestId: request_id,
    details,
  }));
}

const freshToken = (changes: Record<string, unknown> = {}) =>
  signToken(service.app, { sub: somebody, role: 'user', sid: service.app.newId(), ...changes });

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('a scope that is lacking is an event, of a call and of a stream', async () => {
    const headers = { ...bearer(await freshToken({ jti: 'token-1' })).headers, 'x-request-id': 'refused-1' };
    const transport = service.transport(protocol);
    const methods = [AdminService.method.listUsers, AdminService.method.watchAuditEvents];
    for (const method of methods) {
      for (let times = 0; times < 3; times += 1)
        expect(await refusalOf(callMethod(transport, method, headers))).toMatchObject({
          reason: 'INSUFFICIENT_SCOPE',
        });
    }
    const common = {
      reason: 'INSUFFICIENT_SCOPE',
      outcome: 'refused',
      accountId: somebody,
      targetId: null,
      requestId: 'refused-1',
    };
    const credential = { credential: 'access_token', credential_id: 'token-1' };
    expect(await refusals(somebody)).toEqual([
      {
        ...common,
        details: {
          ...credential,
          rpc: 'latchkey.v1.AdminService/ListUsers',
          missing_scopes: 'users:read',
        },
      },
      {
        ...common,
        details: {
          ...credential,
          rpc: 'latchkey.v1.AdminService/WatchAuditEvents',
          missing_scopes: 'audit:read',
        },
      },
    ]);
  });

  it('a login that is too old and a credential of another kind are events', async () => {
    const headers = bearer(await freshToken({ auth_time: 1 })).headers;
    const call = callMethod(service.transport(protocol), UserService.method.deleteMe, headers);
    expect((await refusalOf(call)).reason).toBe('STEP_UP_REQUIRED');
    const key = await issueApiKey(service.app, ['account:write']);
    const byKey = callMethod(
      service.transport(protocol),
      UserService.method.deleteMe,
      bearer(key.text).headers,
    );
    expect((await refusalOf(byKey)).reason).toBe('CREDENTIAL_NOT_ALLOWED');
    expect(await refusals(somebody)).toMatchObject([
      { reason: 'STEP_UP_REQUIRED', details: { max_auth_age_seconds: '300' } },
    ]);
    expect(await refusals(key.ownerId)).toMatchObject([
      { reason: 'CREDENTIAL_NOT_ALLOWED', accountId: null, details: { credential: 'api_key' } },
    ]);
  });

  it('a token without a login, where one is wanted, is an event', async () => {
    // A token that was exchanged for a key: nobody has logged in.
    const headers = bearer(await freshToken({ auth_time: undefined, jti: 'exchanged' })).headers;
    const call = callMethod(service.transport(protocol), AuthService.method.logout, headers);
    expect((await refusalOf(call)).reason).toBe('CREDENTIAL_NOT_ALLOWED');
    expect(await refusals(somebody)).toMatchObject([
      { reason: 'CREDENTIAL_NOT_ALLOWED', details: { rpc: 'latchkey.v1.AuthService/Logout' } },
    ]);
  });

  it('a stream whose caller loses the scope ends with an event', async () => {
    const key = await issueApiKey(service.app, []);
    const token = await signToken(service.app, { sub: key.ownerId });
    const gone = new AbortController();
    const watch = async () => {
      const stream = service.auth(protocol).watchRevocations({}, { ...bearer(token), signal: gone.signal });
      for await (const _message of stream) takeTheScope();
    };
    const stored = await service.app.roles.list();
    const without = stored.map((role) => ({
      ...role,
      scopes: role.scopes.filter((scope) => scope !== 'tokens:validate'),
    }));
    const list = vi.spyOn(service.app.roles, 'list').mockResolvedValue(stored);
    const takeTheScope = () => {
      list.mockResolvedValue(without);
      service.app.roleDirectory.replace(without);
    };
    expect((await refusalOf(watch())).reason).toBe('INSUFFICIENT_SCOPE');
    list.mockRestore();
    service.app.roleDirectory.replace(stored);
    gone.abort();
    expect(await refusals(key.ownerId)).toMatchObject([
      { reason: 'INSUFFICIENT_SCOPE', details: { missing_scopes: 'tokens:validate' } },
    ]);
  });

  it('unauthenticated calls are not events, and neither are allowed calls', async () => {
    const count = async () => {
      await service.app.accessRefusals.idle();
      const events = service.app.database.tables.selectFrom('audit_events');
      const { total } = await events
        .select((expression) => expression.fn.countAll<string>().as('total'))
        .executeTakeFirstOrThrow();
      return total;
    };
    const before = await count();
    const transport = service.transport(protocol);
    await refusalOf(callMethod(transport, AdminService.method.listUsers));
    await refusalOf(callMethod(transport, AdminService.method.listUsers, bearer('x.y.z').headers));
    await callMethod(transport, UserService.method.listSessions, administrator.options.headers);
    expect(await count()).toBe(before);
  });
});

it('introspection refuses with an event as well', async () => {
  const response = await fetch(`${service.httpUrl}/oauth2/introspect`, {
    method: 'POST',
    headers: { ...bearer(await freshToken()).headers, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'token=x',
  });
  expect(response.status).toBe(403);
  expect(await refusals(somebody)).toMatchObject([
    {
      reason: 'INSUFFICIENT_SCOPE',
      details: { rpc: '/oauth2/introspect', missing_scopes: 'tokens:validate' },
    },
  ]);
});

it('the answer does not wait for the event, and stopping does', async () => {
  const node = await startTestService();
  const { id, options } = await member(node, 'impatient');
  const mayWrite = Promise.withResolvers<void>();
  const append = node.app.audit.append.bind(node.app.audit);
  const written: string[] = [];
  vi.spyOn(node.app.audit, 'append').mockImplementation(async (event) => {
    await mayWrite.promise;
    written.push(event.actorId ?? '');
    await append(event);
  });
  await refusalOf(node.admin().listRoles({}, options));
  expect(written).toEqual([]);
  const stopped = node.stop();
  mayWrite.resolve();
  await stopped;
  expect(written).toEqual([id]);
});

it('an outage of the database is logged, and the call is refused all the same', async () => {
  const node = await startTestService();
  const { options } = await member(node, 'unlucky');
  const warned = vi.spyOn(node.app.logger, 'warn');
  vi.spyOn(node.app.audit, 'append').mockRejectedValue(new Error('away'));
  expect((await refusalOf(node.admin().listRoles({}, options))).reason).toBe('INSUFFICIENT_SCOPE');
  await eventually(() => warned.mock.calls.length > 0);
  await node.stop();
});
