// The contract of SecurityEventReader, on every database.

import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import type { AuditEvent } from '../../src/domain/audit/audit-event.ts';
import { listSecurityEvents } from '../../src/domain/audit/security-events.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { NOW, ORIGIN } from '../support/samples.ts';

describeOnEveryDatabase('SecurityEventReader', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  const append = async (accountId: string | undefined, change: Partial<AuditEvent> = {}) => {
    const event: AuditEvent = {
      id: newId(),
      time: NOW,
      kind: 'session.login',
      outcome: 'success',
      ...(accountId === undefined ? {} : { accountId }),
      origin: ORIGIN,
      ...change,
    };
    await db.stores.audit.append(event);
    return event;
  };
  const page = (ownerId: string, pageSize: number, before?: { createTime: number; id: string }) =>
    listSecurityEvents(db.stores, { ownerId, pageSize, before });

  it('gives back what happened to the account, and nothing else', async () => {
    const [owner, target] = [newId(), newId()];
    await append(undefined, { actorId: owner, targetId: owner });
    await append(newId(), { actorId: owner });
    const event = await append(owner, {
      outcome: 'refused',
      reason: 'INVALID_CREDENTIALS',
      targetId: target,
      details: { scopes: 'a' },
    });
    const { events, next } = await page(owner, 10);
    const { accountId: _accountId, details: _details, ...shown } = event;
    expect(events).toEqual([{ ...shown, actorId: undefined }]);
    expect(next).toBeUndefined();
  });

  it('reports who else acted, and not from where', async () => {
    const [owner, admin] = [newId(), newId()];
    await append(owner, { actorId: admin });
    await append(owner, { actorId: owner, time: NOW + 1 });
    const { events } = await page(owner, 10);
    expect(events.map(({ actorId, origin }) => [actorId, origin.ipAddress, origin.userAgent])).toEqual([
      [owner, ORIGIN.ipAddress, ORIGIN.userAgent],
      [admin, '', ''],
    ]);
  });

  it('pages newest first, also through one moment, while new events come', async () => {
    const owner = newId();
    const events: AuditEvent[] = [];
    for (let index = 0; index < 9; index += 1)
      events.push(await append(owner, { time: NOW + Math.floor(index / 5) }));
    const seen: string[] = [];
    let before: { createTime: number; id: string } | undefined;
    do {
      const { events: found, next } = await page(owner, 3, before);
      seen.push(...found.map(({ id }) => id));
      before = next;
      await append(owner, { time: NOW + 1_000 });
    } while (before !== undefined);
    const expected = events.toSorted((a, b) => b.time - a.time || (a.id < b.id ? 1 : -1)).map(({ id }) => id);
    expect(seen).toEqual(expected);
  });
});
