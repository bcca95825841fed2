// Roles that change while nodes serve: what is revoked is refused everywhere.

import { beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { firstAdministrator, member, type Member } from '../support/members.ts';
import type { TestService } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import { afterSuite, nodeStarter, outcomeOf, sharedVariables } from './nodes.ts';

describeWithServices('two nodes', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let node: TestService;
  let other: TestService;
  let root: Member;

  beforeAll(async () => {
    const variables = await sharedVariables(later);
    node = await startNode(variables);
    other = await startNode(variables);
    root = await firstAdministrator(node);
  });

  const upsert = (on: TestService, name: string, scopes: string[], inherits = 'user') =>
    on.admin().upsertRole({ role: { name, scopes, inherits } }, root.options);

  it('refuse a scope that a role has lost, at once where it was taken, soon on the other', async () => {
    await upsert(node, 'reader', ['users:read']);
    const reader = await member(node, 'reader', 'reader');
    const list = (on: TestService) => outcomeOf(on.admin().listUsers({}, reader.options));
    await eventually(async () => (await list(other)) === 'ok');
    expect(await list(node)).toBe('ok');
    await upsert(node, 'reader', []);
    expect(await list(node)).toBe('INSUFFICIENT_SCOPE');
    await eventually(async () => (await list(other)) === 'INSUFFICIENT_SCOPE');
    await upsert(other, 'reader', ['users:read']);
    expect(await list(other)).toBe('ok');
    await eventually(async () => (await list(node)) === 'ok');
  });

  it('refuse what an inherited role has lost', async () => {
    await upsert(node, 'ground', ['users:read']);
    await upsert(other, 'upper', [], 'ground');
    const person = await member(other, 'upper', 'upper');
    const list = (on: TestService) => outcomeOf(on.admin().listUsers({}, person.options));
    await eventually(async () => (await list(node)) === 'ok');
    await upsert(node, 'ground', []);
    expect(await list(node)).toBe('INSUFFICIENT_SCOPE');
    await eventually(async () => (await list(other)) === 'INSUFFICIENT_SCOPE');
  });

  it('change roles one at a time: what comes of many at once is one of them, and no two inherit each other', async () => {
    await upsert(node, 'left', []);
    await upsert(node, 'right', []);
    const outcomes = await Promise.all([
      outcomeOf(upsert(node, 'left', [], 'right')),
      outcomeOf(upsert(other, 'right', [], 'left')),
    ]);
    expect(outcomes.toSorted()).toEqual(['VALIDATION_FAILED', 'ok']);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => upsert(index % 2 === 0 ? node : other, 'busy', [`s${index}`])),
    );
    const { roles } = await node.admin().listRoles({}, root.options);
    expect(roles.find(({ name }) => name === 'busy')?.scopes).toHaveLength(1);
  });
});
