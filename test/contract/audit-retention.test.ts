// Retention of the audit log on every database: whole months go, the rest stays whole, and the coming months are there.

import { sql } from 'kysely';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import type { AuditEvent } from '../../src/domain/audit/audit-event.ts';
import { keepMonths } from '../../src/domain/audit/retention.ts';
import { verifyChain } from '../../src/domain/audit/verify-chain.ts';
import { readChain } from '../../src/storage/postgres/audit/chain-reader.ts';
import { appendAndSeal, sampleEvent, SEAL_HASH, sealOnce } from '../support/audit-events.ts';
import type { TestStores } from '../support/databases.ts';
import { describeOnEveryDatabase, describeOnPostgres } from '../support/databases.ts';
import { withClient } from '../support/private-postgres.ts';
import { DAY_MS } from '../support/samples.ts';

const today = new Date();
/** The first moment of the month so many months from this one. */
const month = (ahead: number) => Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + ahead, 1);
const partition = (ahead: number) =>
  `audit_events_${new Date(month(ahead)).toISOString().slice(0, 7).replace('-', '_')}`;

const partitionsOf = async ({ database }: TestStores) => {
  const { rows } = await sql<{ readonly name: string }>`
    select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_events'::regclass order by 1`.execute(
    database.tables,
  );
  return rows.map(({ name }) => name);
};
const verify = ({ database }: TestStores) =>
  readChain(database.tables, (chain) => verifyChain({ chain, sealHash: SEAL_HASH }));
const keep = ({ transact }: TestStores, auditRetention: number | 'off', now = Date.now()) =>
  keepMonths({ transact, clock: { now: () => now }, newId, auditRetention });
const idsOf = async ({ stores }: TestStores) =>
  (await stores.auditTrail.read(0, 1_000)).map(({ event }) => event.id);
const addMonth = ({ database }: TestStores, ahead: number) =>
  sql`select audit_add_month(${new Date(month(ahead))})`.execute(database.tables);

/** How long must be kept for what happened `months` months ago, and later, to stay. */
const sinceMonth = (months: number) => Date.now() - month(-months);

describeOnEveryDatabase('Retention of the audit log', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  beforeEach(() =>
    db.database.tables.transaction().execute(async (owner) => {
      await sql`set local session_replication_role = replica`.execute(owner);
      await sql`truncate audit_events, audit_queue, audit_seals, audit_retirements`.execute(owner);
    }),
  );
  const at = (ahead: number, offset = 0): AuditEvent => sampleEvent({ time: month(ahead) + offset });

  it('deletes whole months with their seals, records that, and the rest is whole', async () => {
    for (const ahead of [-5, -4, -3]) await addMonth(db, ahead);
    const [oldest, older, old, young] = [at(-5), at(-4, 1), at(-3), at(0)];
    await appendAndSeal(db, [oldest]);
    // A seal that lies in a month that goes and in one that stays.
    await appendAndSeal(db, [older, old]);
    await appendAndSeal(db, [young]);
    const before = await verify(db);
    expect(before).toMatchObject({ good: 4, faultCount: 0 });

    expect(await keep(db, sinceMonth(3))).toBe(month(-3));
    const names = await partitionsOf(db);
    expect(names).not.toContain(partition(-4));
    expect(names).toContain(partition(-3));
    expect(await verify(db)).toMatchObject({ good: 2, retired: 1, queued: 1, begin: 1, faults: [] });
    await sealOnce(db);
    expect(await verify(db)).toMatchObject({ good: 3, queued: 0, faults: [] });
    expect((await idsOf(db)).slice(0, 2)).toEqual([old.id, young.id]);
    const [told] = (await db.stores.auditTrail.read(4, 1)).map(({ event }) => event);
    expect(told).toMatchObject({
      kind: 'audit.retire',
      outcome: 'success',
      details: { lastNumber: '1', horizon: new Date(month(-3)).toISOString().replace('Z', '000Z') },
    });

    // The seals that were given up go with the next look, which finds nothing else to do.
    expect(await keep(db, sinceMonth(3))).toBeUndefined();
    const { rows } = await sql`select 1 from audit_seals where first_number = 1`.execute(db.database.tables);
    expect(rows).toEqual([]);
    expect(await verify(db)).toMatchObject({ good: 3, faults: [] });
    expect(await db.stores.auditTrail.head()).toBe(5);
  });

  it('retires everything, goes on with the next number, and retires again', async () => {
    await addMonth(db, -6);
    await appendAndSeal(db, [at(-6), at(-6, 1)]);
    expect(await keep(db, sinceMonth(4))).toBe(month(-4));
    await keep(db, sinceMonth(4));
    expect(await db.stores.auditTrail.head()).toBe(2);
    const next = at(-3);
    await appendAndSeal(db, [next]);
    expect(await verify(db)).toMatchObject({ good: 2, begin: 2, faults: [] });
    // Whoever reads from the beginning, in the smallest steps, comes to what is left, and to the end.
    const step = async (after: number) =>
      (await db.stores.auditTrail.read(after, 1)).map((sealed) => sealed.number);
    expect([await step(0), await step(3), await step(4)]).toEqual([[3], [4], []]);
    expect(await keep(db, sinceMonth(2))).toBe(month(-2));
    await keep(db, sinceMonth(2));
    expect(await verify(db)).toMatchObject({ faults: [] });
  });

  it('deletes what a stray clock wrote long ago, and what it wrote of the future stays', async () => {
    const [past, future] = [at(-100), at(300)];
    await appendAndSeal(db, [past]);
    await appendAndSeal(db, [future, at(0)]);
    expect(await keep(db, sinceMonth(2))).toBe(month(-2));
    await sealOnce(db);
    expect(await verify(db)).toMatchObject({ good: 3, faults: [] });
    expect(await idsOf(db)).not.toContain(past.id);
    expect(await idsOf(db)).toContain(future.id);
  });

  it('deletes nothing while something of it waits to be sealed, nor when it is off', async () => {
    await addMonth(db, -5);
    await db.stores.audit.append(at(-5));
    expect(await keep(db, sinceMonth(3))).toBeUndefined();
    await sealOnce(db);
    expect(await keep(db, 'off')).toBeUndefined();
    expect(await verify(db)).toMatchObject({ good: 1, faults: [] });
    expect(await keep(db, sinceMonth(3))).toBe(month(-3));
  });

  it('refuses every role to delete what is younger than 30 days', async () => {
    await expect(keep(db, 29 * DAY_MS)).rejects.toThrow('younger than 30 days');
    await expect(keep(db, DAY_MS, Date.now() + 60 * DAY_MS)).rejects.toThrow('younger than 30 days');
  });

  it('makes the partitions of coming months, and moves events of a wrong clock into them', async () => {
    const early = at(17);
    await appendAndSeal(db, [early]);
    expect(await partitionsOf(db)).not.toContain(partition(17));
    await keep(db, 'off', month(5) + DAY_MS);
    const names = await partitionsOf(db);
    for (let ahead = 0; ahead <= 17; ahead += 1) expect(names).toContain(partition(ahead));
    const { rows } = await sql<{ readonly name: string }>`
      select tableoid::regclass::text as name from audit_events where id = ${early.id}`.execute(
      db.database.tables,
    );
    expect(rows).toEqual([{ name: partition(17) }]);
    expect(await verify(db)).toMatchObject({ good: 1, faults: [] });
    const { transact } = db;
    const tooFar = transact(({ retention }) => retention.extend(month(60)));
    await expect(tooFar).rejects.toThrow('more than two years ahead');
  });

  it('guards the months that it makes against changes', async () => {
    await keep(db, 'off', month(8));
    const name = sql.table(partition(19));
    await db.stores.audit.append(at(19));
    for (const statement of [
      sql`delete from ${name}`,
      sql`update ${name} set kind = ''`,
      sql`truncate ${name}`,
    ])
      await expect(statement.execute(db.database.tables)).rejects.toThrow('append-only');
  });
});

describeOnPostgres('Retention beside others', (open) => {
  it('gives way to a transaction that reads the log, and does not block appends', async () => {
    const db = await open();
    await addMonth(db, -5);
    await appendAndSeal(db, [sampleEvent({ time: month(-5) })]);
    await withClient(db.url ?? '', async (reader) => {
      await reader.query('begin');
      await reader.query('select count(*) from audit_events');
      const retiring = keep(db, sinceMonth(3));
      const appending = db.stores.audit.append(sampleEvent({ time: month(0) }));
      await expect(retiring).rejects.toMatchObject({ reason: 'STORAGE_UNAVAILABLE' });
      await appending;
      await reader.query('commit');
    });
    expect(await keep(db, sinceMonth(3))).toBe(month(-3));
  });

  it('makes a month while appends are under way', async () => {
    const db = await open();
    await withClient(db.url ?? '', async (writer) => {
      await writer.query('begin');
      await writer.query(
        `select audit_append($1, now(), 'session.login', 'success', null, null, null, null, '', '', '', null)`,
        [newId()],
      );
      await keep(db, 'off', month(3));
      expect(await partitionsOf(db)).toContain(partition(14));
      await writer.query('commit');
    });
  });

  it('is done by one of two nodes', async () => {
    const db = await open();
    await addMonth(db, -5);
    await appendAndSeal(db, [sampleEvent({ time: month(-5) })]);
    const horizons = await Promise.all([keep(db, sinceMonth(3)), keep(db, sinceMonth(3))]);
    expect(horizons.filter((horizon) => horizon !== undefined)).toEqual([month(-3)]);
  });
});
