// Holds the document that people take their data away in: what it keeps to, and what it says when there is more.

import { expect, it } from 'vitest';
import { accountExport, EXPORT_LIMITS } from '../../src/domain/account/account-export.ts';
import type { ArchivedApiKey, ArchivedEvent } from '../../src/domain/account/account-archive.ts';
import type { User } from '../../src/domain/account/user.ts';
import { NOW, ORIGIN, sampleSession } from '../support/samples.ts';

const user: User = {
  id: 'the-user',
  email: 'ada@example.com',
  username: undefined,
  fullName: 'Ada',
  role: 'user',
  status: 'active',
  emailVerified: false,
  mfaEnabled: true,
  tokenVersion: 3,
  sessionEpoch: 2,
  createTime: NOW,
  updateTime: NOW,
  lastLoginTime: undefined,
};
const key: ArchivedApiKey = {
  id: 'key',
  displayName: 'build',
  scopes: ['account:read'],
  allowedCidrs: ['10.0.0.0/8'],
  createTime: NOW,
  expireTime: undefined,
  revokeTime: undefined,
  lastUsedTime: NOW,
  useCount: 7,
};
const event: ArchivedEvent = {
  id: 'event',
  time: NOW,
  kind: 'session.login',
  outcome: 'success',
  accountId: 'the-user',
  origin: ORIGIN,
};
const factors = { totpConfirmTime: NOW, backupCodesLeft: 9, knownDevices: 2 };
const nothing = { now: NOW, user, factors, sessions: [], apiKeys: [], events: [] };
const many = <Item>(count: number, item: Item) => Array.from({ length: count }, () => item);
const written = (source: Parameters<typeof accountExport>[0]) =>
  JSON.parse(JSON.stringify(accountExport(source))) as Record<string, unknown>;

it('lists acts of others without origin and reason', () => {
  const details = { reason: 'suspected of fraud' };
  const suspension = { ...event, kind: 'account.suspend', actorId: 'an-admin', details };
  const own = { ...event, actorId: 'the-user', details: { scopes: 'a' } };
  const { securityEvents } = written({ ...nothing, events: [suspension, own] });
  const told = { id: 'event', time: new Date(NOW).toISOString(), outcome: 'success' };
  const { requestId } = ORIGIN;
  expect(securityEvents).toEqual([
    { ...told, kind: 'account.suspend', actorId: 'an-admin', ipAddress: '', userAgent: '', requestId },
    { ...told, ...ORIGIN, kind: 'session.login', actorId: 'the-user', details: { scopes: 'a' } },
  ]);
});

it('leaves out what is not there', () => {
  const time = new Date(NOW).toISOString();
  expect(written(nothing)).toEqual({
    exportTime: time,
    user: {
      id: 'the-user',
      email: 'ada@example.com',
      fullName: 'Ada',
      role: 'user',
      status: 'active',
      emailVerified: false,
      createTime: time,
      updateTime: time,
    },
    secondFactors: { enabled: true, totpConfirmTime: time, backupCodesLeft: 9 },
    knownDevices: 2,
    sessions: [],
    apiKeys: [],
    securityEvents: [],
    truncated: [],
  });
});

it('shows of each entry what its owner may see', () => {
  const time = new Date(NOW).toISOString();
  const source = {
    ...nothing,
    sessions: [sampleSession('the-user', { id: 's' })],
    apiKeys: [key],
    events: [event],
  };
  const { sessions, apiKeys, securityEvents } = written(source);
  expect(Object.keys((sessions as object[])[0] ?? {}).toSorted()).toEqual([
    'amr',
    'createTime',
    'deviceName',
    'expireTime',
    'id',
    'ipAddress',
    'lastSeenTime',
    'userAgent',
  ]);
  expect(apiKeys).toEqual([
    {
      id: 'key',
      displayName: 'build',
      scopes: ['account:read'],
      allowedCidrs: ['10.0.0.0/8'],
      createTime: time,
      lastUsedTime: time,
      useCount: 7,
    },
  ]);
  expect(securityEvents).toEqual([
    { id: 'event', time, kind: 'session.login', outcome: 'success', ...ORIGIN },
  ]);
});

it('holds so many of each and names what was cut', () => {
  const { sessions, apiKeys, securityEvents } = EXPORT_LIMITS;
  const full = {
    ...nothing,
    sessions: many(sessions, sampleSession('the-user')),
    apiKeys: many(apiKeys, key),
    events: many(securityEvents, event),
  };
  expect(written(full)['truncated']).toEqual([]);
  const cut = written({
    ...full,
    sessions: many(sessions + 1, sampleSession('the-user')),
    apiKeys: many(apiKeys + 1, key),
    events: many(securityEvents + 1, event),
  });
  expect(cut['truncated']).toEqual(['sessions', 'apiKeys', 'securityEvents']);
  expect(
    [cut['sessions'], cut['apiKeys'], cut['securityEvents']].map((list) => (list as object[]).length),
  ).toEqual([sessions, apiKeys, securityEvents]);
});
