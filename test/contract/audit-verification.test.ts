// Verification of the audit log on every database: a whole log is whole, and each kind of tampering is found by its name.

import { sql } from 'kysely';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import { sealHash } from '../../src/crypto/seal-hash.ts';
import type { AuditEvent } from '../../src/domain/audit/audit-event.ts';
import type { ChainHead } from '../../src/domain/audit/seal.ts';
import type { Verification } from '../../src/domain/audit/verify-chain.ts';
import { MAX_FAULTS, verifyChain } from '../../src/domain/audit/verify-chain.ts';
import { chainReader, readChain } from '../../src/storage/postgres/audit/chain-reader.ts';
import { appendAndSeal, sampleEvent, SEAL_HASH, sealOnce } from '../support/audit-events.ts';
import type { TestStores } from '../support/databases.ts';
import { describeOnEveryDatabase } from '../support/databases.ts';
import { NOW } from '../support/samples.ts';

describeOnEveryDatabase('Verification of the audit log', (open) => {
  let db: TestStores;
  let events: AuditEvent[];
  let first: Verification;
  let number: (index: number) => number;

  const verify = (expected?: ChainHead, key = SEAL_HASH) =>
    readChain(db.database.tables, (chain) => verifyChain({ chain, sealHash: key }, expected));
  const faultsOf = async (expected?: ChainHead) => (await verify(expected)).faults;
  /** What an owner can do who means it. */
  const tamper = (statement: ReturnType<typeof sql>) =>
    db.database.tables.transaction().execute(async (owner) => {
      await sql`set local session_replication_role = replica`.execute(owner);
      await statement.execute(owner);
    });

  beforeAll(async () => {
    db = await open();
  });
  beforeEach(async () => {
    // Each test leaves a log that is broken in a way of its own.
    await tamper(sql`truncate audit_events, audit_queue, audit_seals, audit_retirements`);
    events = Array.from({ length: 6 }, (_, index) =>
      sampleEvent({
        time: NOW + index,
        accountId: newId(),
        reason: 'X',
        actorId: 'a',
        targetId: 't',
        details: { b: '2', a: '1', länger: '"' },
      }),
    );
    await appendAndSeal(db, events.slice(0, 3));
    await appendAndSeal(db, events.slice(3));
    first = await verify();
    number = (index) => index + 1;
  });
  const id = (index: number) => events[index]?.id ?? '';

  it('finds a whole log whole, also by the head of before, and counts what waits', async () => {
    expect(first).toMatchObject({ good: 6, retired: 0, queued: 0, begin: 0, faults: [], faultCount: 0 });
    expect(first.head.number).toBe(6);
    expect(first.earliest).toBe(new Date(NOW).toISOString().replace('Z', '000Z'));
    expect(first.latest).toBe(new Date(NOW + 5).toISOString().replace('Z', '000Z'));
    await db.stores.audit.append(sampleEvent());
    expect(await verify(first.head)).toMatchObject({ queued: 1, faultCount: 0 });
    await appendAndSeal(db, [sampleEvent()]);
    expect(await verify(first.head)).toMatchObject({ good: 8, queued: 0, faultCount: 0 });
  });

  it('names an event that was altered, in whichever column', async () => {
    for (const change of [
      sql`kind = 'session.logout'`,
      sql`outcome = 'refused'`,
      sql`reason = null`,
      sql`account_id = null`,
      sql`actor_id = 'b'`,
      sql`target_id = ''`,
      sql`ip_address = '192.0.2.2'`,
      sql`user_agent = 'curl'`,
      sql`request_id = 'another'`,
      sql`details = null`,
      sql`details = details || '{"a": 1}'`,
      sql`details = details || '{"c": "3"}'`,
    ]) {
      await tamper(sql`create table if not exists kept as select * from audit_events where id = ${id(1)}`);
      await tamper(sql`update audit_events set ${change} where id = ${id(1)}`);
      expect(await faultsOf()).toEqual([{ number: number(1), eventId: id(1), what: 'was altered' }]);
      await tamper(sql`delete from audit_events where id = ${id(1)}`);
      await tamper(sql`insert into audit_events select * from kept`);
      expect(await faultsOf()).toEqual([]);
    }
  });

  it('does not depend on the order of keys in details or on the time zone of the database', async () => {
    await tamper(
      sql`update audit_events set details = '{"länger": "\\"", "a": "1", "b": "2"}' where id = ${id(0)}`,
    );
    const inAnotherZone = await db.database.tables.transaction().execute(async (session) => {
      await sql`set local timezone = 'Asia/Kolkata'`.execute(session);
      await sql`set local datestyle = 'German'`.execute(session);
      return verifyChain({ chain: chainReader(session), sealHash: SEAL_HASH });
    });
    expect(inAnotherZone.faults).toEqual([]);
  });

  it('names an event whose time was moved as missing and as put in', async () => {
    await tamper(sql`update audit_events set time = time + interval '1 microsecond' where id = ${id(4)}`);
    expect(await faultsOf()).toEqual([
      { number: number(4), eventId: id(4), what: 'is missing' },
      { eventId: id(4), what: 'was put into the log, and never sealed' },
    ]);
  });

  it('names an event that is missing', async () => {
    await tamper(sql`delete from audit_events where id = ${id(2)}`);
    expect(await faultsOf()).toEqual([{ number: number(2), eventId: id(2), what: 'is missing' }]);
  });

  it('names an event that was put in', async () => {
    const added = newId();
    await tamper(sql`
      insert into audit_events (id, time, kind, outcome, ip_address, user_agent, request_id)
      values (${added}, ${new Date(NOW)}, 'session.login', 'success', '', '', '')`);
    expect(await faultsOf()).toEqual([{ eventId: added, what: 'was put into the log, and never sealed' }]);
  });

  it('names an event that was taken from the queue, and one that was deleted before it was sealed', async () => {
    const [hidden, gone] = [sampleEvent(), sampleEvent()];
    await db.stores.audit.append(hidden);
    await db.stores.audit.append(gone);
    await tamper(sql`delete from audit_queue where event_id = ${hidden.id}`);
    await tamper(sql`delete from audit_events where id = ${gone.id}`);
    expect(await faultsOf()).toEqual([
      { eventId: hidden.id, what: 'was put into the log, and never sealed' },
      { eventId: gone.id, what: 'was deleted before it was sealed' },
    ]);
  });

  it('names a seal whose events were reordered, and the events', async () => {
    await tamper(sql`
      update audit_seals set event_ids = array[event_ids[2], event_ids[1], event_ids[3]],
        event_times = array[event_times[2], event_times[1], event_times[3]]
      where first_number = 1`);
    expect(await faultsOf()).toEqual([
      { number: 1, what: 'the seal was altered or forged' },
      { number: 1, eventId: id(1), what: 'was altered' },
      { number: 2, eventId: id(0), what: 'was altered' },
    ]);
  });

  it('names a seal that was forged without the key, together with its event', async () => {
    const forger = sealHash(new Uint8Array(32).fill(8));
    await tamper(sql`update audit_events set kind = 'session.logout' where id = ${id(5)}`);
    await db.database.tables.transaction().execute(async (owner) => {
      await sql`set local session_replication_role = replica`.execute(owner);
      const seal = (await chainReader(owner).seals(1))[0];
      if (seal === undefined) throw new Error('there is no seal');
      const records = await chainReader(owner).events(seal);
      const digests = Buffer.concat(
        records.map((record) => (record === undefined ? Buffer.alloc(32) : forger.digest(record))),
      );
      const hash = Buffer.from(forger.hash({ ...seal, digests }));
      await sql`update audit_seals set digests = ${digests}, hash = ${hash} where first_number = ${seal.firstNumber}`.execute(
        owner,
      );
    });
    expect(await faultsOf()).toEqual([{ number: 4, what: 'the seal was altered or forged' }]);
  });

  it('names a seal whose count or time was altered', async () => {
    await tamper(sql`update audit_seals set event_count = 2 where first_number = 4`);
    expect(await faultsOf()).toEqual([{ number: 4, what: 'the seal was altered or forged' }]);
    await tamper(
      sql`update audit_seals set event_count = 3, seal_time = seal_time + interval '1 second' where first_number = 4`,
    );
    expect(await faultsOf()).toEqual([{ number: 4, what: 'the seal was altered or forged' }]);
  });

  it('names a seal that was taken from the middle, with its events', async () => {
    await appendAndSeal(db, [sampleEvent({ time: NOW + 9 })]);
    await tamper(sql`delete from audit_seals where first_number = 4`);
    await tamper(
      sql`delete from audit_events where time between ${new Date(NOW + 3)} and ${new Date(NOW + 5)}`,
    );
    expect(await faultsOf()).toEqual([
      { what: 'the seals of the numbers 4 to 6 are missing' },
      { number: 7, what: 'the seal does not follow upon the one before' },
    ]);
  });

  it('names a beginning that was cut off, also with a retirement without an event', async () => {
    await tamper(sql`delete from audit_events where time < ${new Date(NOW + 3)}`);
    await tamper(sql`
      insert into audit_retirements (retire_time, horizon, last_number, last_hash)
      select now(), ${new Date(NOW + 3)}, 3, hash from audit_seals where first_number = 1`);
    await tamper(sql`delete from audit_seals where first_number = 1`);
    expect(await faultsOf()).toEqual([
      {
        what: `everything before ${new Date(NOW + 3).toISOString().replace('Z', '000Z')} is gone, and no event records it`,
      },
    ]);
    await tamper(sql`delete from audit_retirements`);
    expect(await faultsOf()).toEqual([
      { what: 'the seals of the numbers 1 to 3 are missing' },
      { number: 4, what: 'the seal does not follow upon the one before' },
    ]);
  });

  it('finds an end that was cut off by the head of before, and by nothing else', async () => {
    await tamper(sql`delete from audit_seals where first_number = 4`);
    await tamper(sql`delete from audit_events where time >= ${new Date(NOW + 3)}`);
    expect(await faultsOf()).toEqual([]);
    expect(await faultsOf(first.head)).toEqual([
      { number: 6, what: 'was expected, and the log ends at 3: it was cut off' },
    ]);
  });

  it('finds a log that was made anew by the head of before', async () => {
    await tamper(sql`delete from audit_seals where first_number = 4`);
    await tamper(sql`delete from audit_events where time >= ${new Date(NOW + 3)}`);
    await appendAndSeal(db, [sampleEvent(), sampleEvent(), sampleEvent(), sampleEvent()]);
    expect(await faultsOf()).toEqual([]);
    expect(await faultsOf(first.head)).toEqual([
      { number: 6, what: 'was expected with another hash: the log was made anew' },
    ]);
  });

  it('names an event that is sealed twice', async () => {
    await tamper(sql`insert into audit_queue select time, id from audit_events where id = ${id(0)}`);
    await sealOnce(db);
    expect(await faultsOf()).toEqual([{ eventId: id(0), what: 'is sealed more than once' }]);
  });

  it('names no more than some of very many faults, and counts all', async () => {
    await tamper(sql`
      insert into audit_events (id, time, kind, outcome, ip_address, user_agent, request_id)
      select gen_random_uuid(), ${new Date(NOW)}::timestamptz, 'session.login', 'success', '', '', '' from generate_series(1, 100)`);
    await tamper(sql`delete from audit_events where id = ${id(0)}`);
    const { faults, faultCount } = await verify();
    expect([faults.length, faultCount]).toEqual([MAX_FAULTS, 101]);
  });

  it('trusts no seal under another key', async () => {
    const { faults } = await verify(undefined, sealHash(new Uint8Array(32)));
    expect(faults).toEqual([1, 4].map((at) => ({ number: at, what: 'the seal was altered or forged' })));
  });
});
