// The contract of the audit log's core: each event kept once, queued once, sealed once, in one sequence of numbers.

import { sql } from 'kysely';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import type { LostEvent } from '../../src/domain/audit/seal-events.ts';
import { BATCH_EVENTS } from '../../src/domain/audit/seal-events.ts';
import { AuditSealer } from '../../src/jobs/audit-sealer.ts';
import { appendAndSeal, sampleEvent, SEAL_HASH, sealOnce } from '../support/audit-events.ts';
import {
  describeOnEveryDatabase,
  describeOnPostgres,
  openServerDatabase,
  storesOver,
} from '../support/databases.ts';
import type { TestStores } from '../support/databases.ts';
import { NOW } from '../support/samples.ts';
import { withClient } from '../support/private-postgres.ts';

const HOUR_MS = 3_600_000;

describeOnEveryDatabase('The audit log', (open) => {
  let db: TestStores;
  /** The last number before the test. */
  let start: number;
  beforeAll(async () => {
    db = await open();
  });
  beforeEach(async () => {
    await appendAndSeal(db, []);
    start = await db.stores.auditTrail.head();
  });
  const queued = async () => {
    const { rows } = await sql<{
      readonly event_id: string;
    }>`select event_id from audit_queue`.execute(db.database.tables);
    return rows.map((row) => row.event_id);
  };
  const partitionOf = async (id: string) => {
    const { rows } = await sql<{
      readonly name: string;
    }>`select tableoid::regclass::text as name from audit_events where id = ${id}::uuid`.execute(
      db.database.tables,
    );
    return rows.map(({ name }) => name);
  };

  it('keeps an event once and queues it once, however often it is appended', async () => {
    const event = sampleEvent({ details: { name: 'x' } });
    await Promise.all([1, 2, 3].map(() => db.stores.audit.append(event)));
    expect(await queued()).toEqual([event.id]);
    await sealOnce(db);
    await db.stores.audit.append(event);
    expect(await queued()).toEqual([]);
    expect(await db.stores.auditTrail.read(start, 10)).toEqual([
      {
        number: start + 1,
        event: {
          ...event,
          reason: undefined,
          actorId: undefined,
          targetId: undefined,
          accountId: undefined,
        },
      },
    ]);
  });

  it('keeps and queues nothing of a transaction that fails', async () => {
    const event = sampleEvent();
    const refused = db.transact(async (stores) => {
      await stores.audit.append(event);
      throw new Error('no');
    });
    await expect(refused).rejects.toThrow('no');
    expect(await queued()).toEqual([]);
    expect(await partitionOf(event.id)).toEqual([]);
  });

  it('has a partition for each month, a year ahead, and keeps events of a wrong clock', async () => {
    const now = new Date();
    const months = [0, 12].map((ahead) => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1));
    for (const month of months) {
      const event = sampleEvent({ time: month });
      await db.stores.audit.append(event);
      const name = `audit_events_${new Date(month).toISOString().slice(0, 7).replace('-', '_')}`;
      expect(await partitionOf(event.id)).toEqual([name]);
    }
    for (const time of [0, Date.UTC(2999, 0, 1)]) {
      const stray = sampleEvent({ time });
      await db.stores.audit.append(stray);
      expect(await partitionOf(stray.id)).toEqual(['audit_events_default']);
    }
    await appendAndSeal(db, []);
    expect(await db.stores.auditTrail.head()).toBe(start + 4);
  });

  it('numbers events 1, 2, 3 through all batches, by time within one', async () => {
    const first = [
      sampleEvent({ time: NOW + 5 }),
      sampleEvent({ time: NOW }),
      sampleEvent({ time: NOW + 2 }),
    ];
    const second = [sampleEvent({ time: NOW - 1_000 }), sampleEvent({ time: NOW + 9 })];
    await appendAndSeal(db, first);
    await appendAndSeal(db, second);
    const expected = [first[1], first[2], first[0], ...second].map((event) => event?.id);
    expect(await db.stores.auditTrail.head()).toBe(start + 5);
    const numbers = async (after: number, limit: number) =>
      (await db.stores.auditTrail.read(start + after, limit)).map(({ number }) => number - start);
    const all = await db.stores.auditTrail.read(start, 100);
    expect(await numbers(0, 100)).toEqual([1, 2, 3, 4, 5]);
    expect(all.map(({ event }) => event.id)).toEqual(expected);
    expect(await numbers(1, 3)).toEqual([2, 3, 4]);
    expect(await numbers(5, 3)).toEqual([]);
  });

  it('counts each event once, by hour, kind and outcome', async () => {
    const hour = Date.UTC(2025, 5, 5, 5);
    const refused = { outcome: 'refused', reason: 'INVALID_CREDENTIALS' } as const;
    await appendAndSeal(db, [
      sampleEvent({ time: hour }),
      sampleEvent({ time: hour + HOUR_MS - 1, ...refused }),
    ]);
    await appendAndSeal(db, [
      sampleEvent({ time: hour + 7 }),
      sampleEvent({ time: hour + HOUR_MS }),
      sampleEvent({ time: hour, kind: 'account.register' }),
    ]);
    const { rows } = await sql<{ hour: string | Date; kind: string; outcome: string; events: string }>`
      select hour, kind, outcome, events from audit_counts
      where hour between ${new Date(hour)} and ${new Date(hour + HOUR_MS)} order by hour, kind, outcome`.execute(
      db.database.tables,
    );
    expect(
      rows.map((row) => [new Date(row.hour).getTime(), row.kind, row.outcome, Number(row.events)]),
    ).toEqual([
      [hour, 'account.register', 'success', 1],
      [hour, 'session.login', 'refused', 1],
      [hour, 'session.login', 'success', 2],
      [hour + HOUR_MS, 'session.login', 'success', 1],
    ]);
  });

  it('drops a queue row whose event is gone, reports it, and seals the others', async () => {
    const [event, ghost] = [sampleEvent(), newId()];
    await sql`insert into audit_queue values (${new Date(NOW)}, ${ghost})`.execute(db.database.tables);
    await db.stores.audit.append(event);
    const lost: LostEvent[] = [];
    const sealer = new AuditSealer({
      transact: db.transact,
      sealingQueue: db.stores.sealingQueue,
      sealHash: SEAL_HASH,
      clock: { now: () => NOW },
      onLost: (events) => lost.push(...events),
    });
    await sealer.run();
    expect(lost.map(({ id }) => id)).toEqual([ghost]);
    expect(await queued()).toEqual([]);
    expect((await db.stores.auditTrail.read(start, 9)).map(({ event: { id } }) => id)).toEqual([event.id]);
    await sealer.run();
    expect(lost).toHaveLength(1);
  });

  it('seals more than a batch', async () => {
    await sql`
      with made as (
        insert into audit_events (id, time, kind, outcome, ip_address, user_agent, request_id)
        select gen_random_uuid(), ${new Date(NOW)}::timestamptz, 'session.login', 'success', '', '', ''
        from generate_series(1, ${BATCH_EVENTS * 2 + 5}) returning time, id)
      insert into audit_queue select time, id from made`.execute(db.database.tables);
    const { transact, stores } = db;
    const sealer = new AuditSealer({
      transact,
      sealingQueue: stores.sealingQueue,
      sealHash: SEAL_HASH,
      clock: { now: () => NOW },
      onLost: () => undefined,
    });
    // Once, unless the machine is so slow that the time of a run is used up.
    while (!(await stores.sealingQueue.isEmpty())) await sealer.run();
    expect(await stores.auditTrail.head()).toBe(start + BATCH_EVENTS * 2 + 5);
  });

  it('does nothing of a step that fails half way', async () => {
    const event = sampleEvent();
    await db.stores.audit.append(event);
    const cut = db.transact(async (stores) => {
      await stores.sealing.tryLock();
      await stores.sealing.take(10);
      throw new Error('cut');
    });
    await expect(cut).rejects.toThrow('cut');
    expect(await queued()).toEqual([event.id]);
    await appendAndSeal(db, []);
    expect(await db.stores.auditTrail.head()).toBe(start + 1);
  });

  it('refuses changes, also by the owner of the tables', async () => {
    await appendAndSeal(db, [sampleEvent()]);
    for (const table of ['audit_events', 'audit_seals'])
      for (const statement of [`delete from ${table}`, `truncate ${table}`])
        await expect(sql.raw(statement).execute(db.database.tables)).rejects.toThrow('append-only');
    for (const statement of [
      `update audit_events set kind = 'x'`,
      `update audit_seals set event_count = 1`,
      `update audit_events_default set kind = 'x'`,
      `delete from audit_events_default`,
      `truncate audit_events_default`,
    ])
      await expect(sql.raw(statement).execute(db.database.tables)).rejects.toThrow('append-only');
  });
});

describeOnPostgres('The audit log of two nodes', (open) => {
  it('has one sequence of numbers, and each event once, while both append and seal', async () => {
    const one = await open();
    if (one.url === undefined) throw new Error('no server');
    const otherDatabase = await openServerDatabase(one.url);
    const other = storesOver(otherDatabase, one.url);
    const events = Array.from({ length: 300 }, () => sampleEvent());
    const ids: string[] = [];
    const work = async (db: TestStores, share: number) => {
      for (const [index, event] of events.entries()) {
        if (index % 2 === share) await db.stores.audit.append(event);
        if (index % 10 === share) await sealOnce(db);
      }
    };
    await Promise.all([work(one, 0), work(other, 1)]);
    await appendAndSeal(one, []);
    const trail = await other.stores.auditTrail.read(0, 1_000);
    ids.push(...trail.map(({ event }) => event.id));
    expect(trail.map(({ number }) => number)).toEqual(events.map((_, index) => index + 1));
    expect(ids.toSorted()).toEqual(events.map(({ id }) => id).toSorted());
    await otherDatabase.close();
  });

  it('leaves the sealing to the node that is at it', async () => {
    const db = await open();
    await db.stores.audit.append(sampleEvent());
    await db.transact(async ({ sealing }) => {
      expect(await sealing.tryLock()).toBe(true);
      expect(await sealOnce(db)).toBeUndefined();
    });
    expect(await sealOnce(db)).toEqual({ sealed: 1, lost: [] });
  });

  it('seals on behind a transaction that stays open, and its events when it ends', async () => {
    const db = await open();
    await withClient(db.url ?? '', async (client) => {
      await client.query('begin');
      const late = newId();
      await client.query(
        `select audit_append($1, $2, 'session.login', 'success', null, null, null, null, '', '', '', null)`,
        [late, new Date(NOW)],
      );
      await appendAndSeal(db, [sampleEvent({ time: NOW + 1 })]);
      expect(await db.stores.auditTrail.head()).toBe(1);
      await client.query('commit');
      await appendAndSeal(db, []);
      expect((await db.stores.auditTrail.read(1, 5)).map(({ event }) => event.id)).toEqual([late]);
    });
  });
});
