// Roles over every protocol: what they grant, who may change which, and what is written down.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RoleSchema } from '../../gen/latchkey/v1/role_pb.ts';
import { BUILT_IN_ROLES } from '../../src/domain/access/role.ts';
import type { Member } from '../support/members.ts';
import { firstAdministrator, member } from '../support/members.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import type { Protocol, TestService } from '../support/service.ts';
import { bearer, GOOD_PASSWORD, PROTOCOLS, startTestService } from '../support/service.ts';

let service: TestService;
let root: Member;

beforeAll(async () => {
  service = await startTestService();
  root = await firstAdministrator(service);
});
afterAll(() => service.stop());

type RoleInit = MessageInitShape<typeof RoleSchema>;
const upsert = (role: RoleInit, by = root, protocol: Protocol = 'grpc') =>
  service.admin(protocol).upsertRole({ role }, by.options);
const remove = (name: string, by = root, protocol: Protocol = 'grpc') =>
  service.admin(protocol).deleteRole({ name }, by.options);
const roles = async (protocol: Protocol = 'grpc') =>
  (await service.admin(protocol).listRoles({}, root.options)).roles;
const roleNamed = async (name: string) => (await roles()).find((role) => role.name === name);
const reason = async (call: Promise<unknown>) => (await refusalOf(call)).reason;
const builtIn = (name: string) => {
  const { inherits = '', scopes } = BUILT_IN_ROLES.find((role) => role.name === name) ?? { scopes: [] };
  return { name, inherits, scopes: [...scopes] };
};
const setRole = (id: string, role: string, status = 'active') =>
  service.app.database.tables.updateTable('users').set({ role, status }).where('id', '=', id).execute();
const events = (target: string) =>
  service.app.database.tables
    .selectFrom('audit_events')
    .select(['kind', 'outcome', 'reason', 'actor_id', 'target_id', 'details'])
    .where('target_id', '=', target)
    .orderBy('time')
    .orderBy('id')
    .execute();

describe.each(PROTOCOLS)('over %s', (protocol) => {
  const name = `support-${protocol}`;

  it('a role is made, listed, changed and deleted', async () => {
    const { role } = await upsert(
      { name, inherits: 'user', scopes: ['tickets:read', 'users:read', 'users:read'] },
      root,
      protocol,
    );
    expect(role).toMatchObject({
      name,
      inherits: 'user',
      scopes: ['tickets:read', 'users:read'],
      effectiveScopes: ['tickets:read', 'users:read', 'account:read', 'account:write'],
      builtIn: false,
      userCount: 0n,
    });
    expect(await roleNamed(name)).toEqual(role);
    const { role: changed } = await upsert({ name, scopes: ['tickets:write'] }, root, protocol);
    expect(changed).toMatchObject({ inherits: '', effectiveScopes: ['tickets:write'] });
    await remove(name, root, protocol);
    expect(await roleNamed(name)).toBeUndefined();
    expect(await reason(remove(name, root, protocol))).toBe('ROLE_NOT_FOUND');
    const kinds = (await events(name)).map(({ kind, outcome, details, actor_id: actor }) => ({
      kind,
      outcome,
      details,
      actor,
    }));
    expect(kinds).toEqual([
      {
        kind: 'role.upsert',
        outcome: 'success',
        actor: root.id,
        details: { scopes_added: 'tickets:read users:read', scopes_removed: '', inherits: 'user' },
      },
      {
        kind: 'role.upsert',
        outcome: 'success',
        actor: root.id,
        details: {
          scopes_added: 'tickets:write',
          scopes_removed: 'tickets:read users:read',
          inherits: '',
          inherited: 'user',
        },
      },
      {
        kind: 'role.delete',
        outcome: 'success',
        actor: root.id,
        details: { scopes: 'tickets:write', inherits: '' },
      },
      { kind: 'role.delete', outcome: 'refused', actor: root.id, details: null },
    ]);
  });

  it('built-in roles come first, lowest first, then the others by name', async () => {
    await upsert({ name: `zz-${protocol}` });
    await upsert({ name: `aa-${protocol}` });
    const names = (await roles(protocol)).map((role) => role.name);
    expect(names.slice(0, 4)).toEqual(['user', 'moderator', 'admin', 'super_admin']);
    expect(names.slice(4)).toEqual(names.slice(4).toSorted());
    expect(await roleNamed('admin')).toMatchObject({ builtIn: true, userCount: 0n, inherits: 'moderator' });
    expect(await roleNamed('super_admin')).toMatchObject({ builtIn: true, userCount: 1n });
    await remove(`zz-${protocol}`);
    await remove(`aa-${protocol}`);
  });

  it('every rule that a request breaks is named at once', async () => {
    const scopes = ['ok', 'has space', ''];
    const { reason: refused, fields } = await refusalOf(
      upsert({ name: 'Bad Name', inherits: '1x', scopes }, root, protocol),
    );
    expect(refused).toBe('VALIDATION_FAILED');
    expect(fields).toEqual(['role.name', 'role.inherits', 'role.scopes[1]', 'role.scopes[2]']);
    const call = service.admin(protocol).upsertRole({}, root.options);
    expect((await refusalOf(call)).fields).toEqual(['role']);
    expect((await refusalOf(remove('', root, protocol))).fields).toEqual(['name']);
    const many = Array.from({ length: 101 }, (_, index) => `s${index}`);
    expect((await refusalOf(upsert({ name: 'many', scopes: many }))).fields).toEqual(['role.scopes']);
  });
});

describe('a built-in role', () => {
  it('takes more scopes, and keeps its own and its parent', async () => {
    const moderator = builtIn('moderator');
    const more = await upsert({ ...moderator, scopes: [...moderator.scopes, 'tickets:read'] });
    expect(more.role).toMatchObject({
      builtIn: true,
      effectiveScopes: [...moderator.scopes, 'tickets:read', 'account:read', 'account:write'],
    });
    expect((await roleNamed('admin'))?.effectiveScopes).toContain('tickets:read');
    expect(await reason(upsert({ ...moderator, scopes: ['users:read', 'tickets:read'] }))).toBe(
      'ROLE_PROTECTED',
    );
    expect(await reason(upsert({ ...moderator, inherits: '' }))).toBe('ROLE_PROTECTED');
    expect(await reason(upsert({ ...moderator, inherits: 'admin' }))).toBe('VALIDATION_FAILED');
    expect(await reason(upsert({ ...builtIn('user'), inherits: 'no-such' }))).toBe('ROLE_NOT_FOUND');
    await upsert(moderator);
    expect((await roleNamed('moderator'))?.scopes).toEqual(moderator.scopes);
    expect(await reason(remove('moderator'))).toBe('ROLE_PROTECTED');
  });

  it('super_admin is neither changed, nor inherited, nor deleted, and what was tried is written down', async () => {
    const supreme = builtIn('super_admin');
    expect(await reason(upsert({ ...supreme, scopes: [...supreme.scopes, 'more'] }))).toBe('ROLE_PROTECTED');
    expect(await reason(upsert(supreme))).toBe('ROLE_PROTECTED');
    expect(await reason(upsert({ name: 'heir', inherits: 'super_admin' }))).toBe('ROLE_PROTECTED');
    expect(await reason(remove('super_admin'))).toBe('ROLE_PROTECTED');
    expect(
      (await events('super_admin')).map(({ kind, outcome, reason: why }) => [kind, outcome, why]),
    ).toEqual([
      ['role.upsert', 'refused', 'ROLE_PROTECTED'],
      ['role.upsert', 'refused', 'ROLE_PROTECTED'],
      ['role.delete', 'refused', 'ROLE_PROTECTED'],
    ]);
    expect((await roleNamed('super_admin'))?.scopes).toEqual(supreme.scopes);
  });
});

describe('roles', () => {
  it('never inherit each other', async () => {
    await upsert({ name: 'low' });
    await upsert({ name: 'middle', inherits: 'low' });
    await upsert({ name: 'high', inherits: 'middle' });
    for (const inherits of ['low', 'middle', 'high']) {
      const { reason: why, fields } = await refusalOf(upsert({ name: 'low', inherits }));
      expect([why, fields]).toEqual(['VALIDATION_FAILED', ['role.inherits']]);
    }
    expect((await refusalOf(upsert({ name: 'self', inherits: 'self' }))).fields).toEqual(['role.inherits']);
    expect(await reason(upsert({ name: 'orphan', inherits: 'no-such' }))).toBe('ROLE_NOT_FOUND');
    expect(await reason(remove('low'))).toBe('ROLE_IN_USE');
    for (const name of ['high', 'middle', 'low']) await remove(name);
  });

  it('stay while an account has them, also a suspended one, and go when only deleted ones had', async () => {
    await upsert({ name: 'held' });
    const holder = await member(service, 'holder', 'held');
    const { reason: why, message } = await refusalOf(remove('held'));
    expect([why, message]).toEqual([
      'ROLE_IN_USE',
      '1 account has the role held. Give them another one first.',
    ]);
    expect((await roleNamed('held'))?.userCount).toBe(1n);
    await setRole(holder.id, 'held', 'suspended');
    expect(await reason(remove('held'))).toBe('ROLE_IN_USE');
    await setRole(holder.id, 'held', 'deleted');
    expect((await roleNamed('held'))?.userCount).toBe(0n);
    await remove('held');
    const { role } = await service.app.database.tables
      .selectFrom('users')
      .select('role')
      .where('id', '=', holder.id)
      .executeTakeFirstOrThrow();
    expect(role).toBe('user');
  });

  it('are no more than two hundred', async () => {
    const own = await startTestService();
    const admin = await firstAdministrator(own);
    const values = Array.from({ length: 196 }, (_, index) => ({
      name: `role-${index}`,
      scopes: [],
      built_in: false,
    }));
    await own.app.database.tables.insertInto('roles').values(values).execute();
    const { reason: why, fields } = await refusalOf(
      own.admin().upsertRole({ role: { name: 'one-more' } }, admin.options),
    );
    expect([why, fields]).toEqual(['VALIDATION_FAILED', ['role.name']]);
    await own.admin().upsertRole({ role: { name: 'role-1', scopes: ['x'] } }, admin.options);
    await own.admin().deleteRole({ name: 'role-2' }, admin.options);
    await own.admin().upsertRole({ role: { name: 'one-more' } }, admin.options);
    await own.stop();
  });

  it('grant less from the moment on that they are changed', async () => {
    await upsert({ name: 'reader', inherits: 'user', scopes: ['users:read'] });
    const reader = await member(service, 'reader', 'reader');
    await service.admin().listUsers({}, reader.options);
    await upsert({ name: 'reader', inherits: 'user' });
    expect(await reason(service.admin().listUsers({}, reader.options))).toBe('INSUFFICIENT_SCOPE');
    await upsert({ name: 'reader', inherits: 'moderator' });
    await service.admin().listUsers({}, reader.options);
  });
});

describe('a caller with roles:write who is no super_admin', () => {
  let keeper: Member;
  beforeAll(async () => {
    await upsert({ name: 'keeper', inherits: 'user', scopes: ['roles:write', 'roles:read', 'tickets:read'] });
    keeper = await member(service, 'keeper', 'keeper');
  });

  it('grants what they have', async () => {
    await upsert({ name: 'clerk', inherits: 'user', scopes: ['tickets:read'] }, keeper);
    await upsert({ name: 'clerk', scopes: ['tickets:read', 'account:read'] }, keeper);
    await remove('clerk', keeper);
  });

  it('does not grant what they lack, itself or inherited', async () => {
    const lacking = [
      { name: 'sneak', scopes: ['users:write'] },
      { name: 'sneak', inherits: 'moderator' },
      { name: 'sneak', scopes: ['signing_keys:write'] },
      { ...builtIn('user'), scopes: ['account:read', 'account:write', 'users:write'] },
    ];
    for (const role of lacking) expect(await reason(upsert(role, keeper))).toBe('INSUFFICIENT_SCOPE');
    expect(await roleNamed('sneak')).toBeUndefined();
    const [first] = await events('sneak');
    expect(first).toMatchObject({
      kind: 'role.upsert',
      outcome: 'refused',
      reason: 'INSUFFICIENT_SCOPE',
      actor_id: keeper.id,
    });
  });

  it('does not change a role that grants what they lack', async () => {
    await upsert({ name: 'strong', scopes: ['users:write', 'tickets:read'] });
    expect(await reason(upsert({ name: 'strong', scopes: ['tickets:read'] }, keeper))).toBe(
      'INSUFFICIENT_SCOPE',
    );
    expect(await reason(remove('strong', keeper))).toBe('INSUFFICIENT_SCOPE');
    expect(
      await reason(
        upsert({ ...builtIn('moderator'), scopes: [...builtIn('moderator').scopes, 'tickets:read'] }, keeper),
      ),
    ).toBe('INSUFFICIENT_SCOPE');
    await remove('strong');
  });

  it('takes nothing from a role that grants what they lack, by what it inherits', async () => {
    await upsert({ name: 'ground', scopes: ['tickets:read'] });
    await upsert({ name: 'tower', inherits: 'ground', scopes: ['users:write'] });
    expect(await reason(upsert({ name: 'ground' }, keeper))).toBe('INSUFFICIENT_SCOPE');
    expect((await roleNamed('tower'))?.effectiveScopes).toEqual(['users:write', 'tickets:read']);
    await upsert({ name: 'ground', scopes: ['tickets:read', 'account:read'] }, keeper);
    await remove('tower');
    await remove('ground');
  });

  it('does not change their own role, nor super_admin', async () => {
    expect(await reason(upsert({ name: 'keeper', inherits: 'user', scopes: ['roles:write'] }, keeper))).toBe(
      'ROLE_PROTECTED',
    );
    expect(await reason(remove('keeper', keeper))).toBe('ROLE_PROTECTED');
    expect(await reason(upsert({ ...builtIn('super_admin') }, keeper))).toBe('ROLE_PROTECTED');
    expect(await reason(upsert({ name: 'heir', inherits: 'super_admin' }, keeper))).toBe('ROLE_PROTECTED');
  });

  it('holds no more than the token carries', async () => {
    const narrow = await service
      .auth()
      .login({ identifier: keeper.email, password: GOOD_PASSWORD, scopes: ['roles:write'] });
    if (narrow.outcome.case !== 'tokens') throw new Error('no tokens');
    const weaker = { ...keeper, options: bearer(narrow.outcome.value.accessToken) };
    expect(await reason(upsert({ name: 'sneak', scopes: ['tickets:read'] }, weaker))).toBe(
      'INSUFFICIENT_SCOPE',
    );
  });
});

it('an admin may see roles and change none', async () => {
  const admin = await member(service, 'plain-admin', 'admin');
  expect((await service.admin().listRoles({}, admin.options)).roles.length).toBeGreaterThan(3);
  expect(await reason(upsert({ name: 'mine' }, admin))).toBe('INSUFFICIENT_SCOPE');
  expect(await reason(remove('reader', admin))).toBe('INSUFFICIENT_SCOPE');
});
