// The contract of CleanupStore, on every database: what counts stays, what has ended long enough goes, a bounded piece at a time.

import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { beforeEach, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import type { CleanupBatch, CleanupKind, CleanupProgress } from '../../src/domain/cleanup/cleanup-store.ts';
import { CLEANUP_KINDS, KEPT_MS } from '../../src/domain/cleanup/cleanup-store.ts';
import type { OpenStores, TestStores } from '../support/databases.ts';
import { describeOnEveryDatabase } from '../support/databases.ts';
import { DAY_MS, NOW, sampleApiKey, sampleMail, sampleSession, sampleUser } from '../support/samples.ts';

const LIMIT = 500;
const FAR = NOW + 9_000 * DAY_MS;
const TABLES: Record<CleanupKind, string> = {
  sessions: 'sessions',
  actionTokens: 'action_tokens',
  revocations: 'revocations',
  lockouts: 'lockouts',
  mails: 'outbox_mails',
  knownDevices: 'known_devices',
  apiKeys: 'api_keys',
  totpFactors: 'totp_factors',
  supersededPasswords: 'superseded_passwords',
};

/** What a kind looks like when it expired at `end`; answers how to name it among the rows that are left. */
type Made = { readonly column: string; readonly value: string };
type Make = (db: TestStores, end: number) => Promise<Made>;

async function insertUser(db: TestStores): Promise<string> {
  const user = sampleUser();
  await db.stores.users.insert(user);
  return user.id;
}

async function insertSession(db: TestStores, change: Parameters<typeof sampleSession>[1]) {
  const session = sampleSession(await insertUser(db), change);
  await db.stores.sessions.insert(session);
  return { column: 'id', value: session.id };
}

async function insertMail(db: TestStores, finish: (id: string) => Promise<void>): Promise<Made> {
  const mail = sampleMail();
  await db.transact(({ outbox }) => outbox.enqueue(mail));
  await finish(mail.id);
  return { column: 'id', value: mail.id };
}

async function insertKey(db: TestStores, expireTime: number | undefined) {
  const key = sampleApiKey(newId(), { expireTime });
  await db.stores.apiKeys.insert(key);
  return { column: 'id', value: key.id };
}

const sighting = (userId: string, deviceName: string, now: number) => ({
  userId,
  deviceName,
  userAgent: 'test',
  now,
});

const ENDED: ReadonlyArray<readonly [CleanupKind, string, Make]> = [
  ['sessions', 'was not refreshed', (db, end) => insertSession(db, { expireTime: end, maxExpireTime: FAR })],
  [
    'sessions',
    'reached its greatest age',
    (db, end) => insertSession(db, { expireTime: FAR, maxExpireTime: end }),
  ],
  [
    'sessions',
    'was revoked',
    async (db, end) => {
      const session = sampleSession(await insertUser(db), { expireTime: FAR, maxExpireTime: FAR });
      await db.stores.sessions.insert(session);
      expect(await db.stores.sessions.revoke(session.id, session.userId, end)).toBe(true);
      return { column: 'id', value: session.id };
    },
  ],
  [
    'actionTokens',
    'expired',
    async (db, expireTime) => {
      const id = newId();
      const userId = await insertUser(db);
      const digest = new Uint8Array(randomBytes(32));
      await db.stores.actionTokens.insert({
        id,
        purpose: 'email_verification',
        userId,
        digest,
        payload: {},
        createTime: NOW,
        expireTime,
      });
      return { column: 'id', value: id };
    },
  ],
  [
    'revocations',
    'expired',
    async (db, expireTime) => {
      const id = newId();
      await db.stores.revocations.insert({ form: 'token', id, revokeTime: NOW, expireTime });
      return { column: 'target_id', value: id };
    },
  ],
  [
    'lockouts',
    'had its last failure',
    async (db, end) => {
      const key = newId();
      await db.stores.lockouts.count(key, end, { maxFailures: 5, lockMs: 1_000 });
      return { column: 'key', value: key };
    },
  ],
  ['mails', 'was sent', (db, end) => insertMail(db, (id) => db.stores.outboxQueue.markSent(id, end))],
  [
    'mails',
    'was dropped',
    (db, end) =>
      insertMail(db, async (id) => {
        const leased = await db.stores.outboxQueue.lease(NOW, end, 1);
        expect(leased.map((lease) => lease.id)).toEqual([id]);
        for (const lease of leased) await db.stores.outboxQueue.markDropped(lease);
      }),
  ],
  [
    'knownDevices',
    'was last seen, and another later',
    async (db, end) => {
      const userId = await insertUser(db);
      await db.stores.knownDevices.note(sighting(userId, `old of ${userId}`, end));
      const { rows } = await sql<{ readonly fingerprint: string }>`
        select fingerprint::text from known_devices where user_id = ${userId}`.execute(db.database.tables);
      await db.stores.knownDevices.note(sighting(userId, 'new', end + 400 * DAY_MS));
      return { column: 'fingerprint', value: rows[0]?.fingerprint ?? '' };
    },
  ],
  ['apiKeys', 'expired', (db, end) => insertKey(db, end)],
  [
    'apiKeys',
    'was revoked',
    async (db, end) => {
      const made = await insertKey(db, FAR);
      expect(await db.stores.apiKeys.revoke(made.value, end)).toBe(true);
      return made;
    },
  ],
  [
    'totpFactors',
    'was begun and never confirmed',
    async (db, createTime) => {
      const userId = await insertUser(db);
      await db.stores.totpFactors.insertPending({ userId, sealedSecret: randomBytes(60), createTime });
      return { column: 'user_id', value: userId };
    },
  ],
  [
    'supersededPasswords',
    'was replaced',
    async (db, end) => {
      const userId = await insertUser(db);
      await db.transact(({ credentials }) => credentials.setPasswordHash(userId, 'new', end));
      return { column: 'user_id', value: userId };
    },
  ],
];

/** Never goes, whatever the time. */
const LASTING: ReadonlyArray<readonly [CleanupKind, string, (db: TestStores) => Promise<Made>]> = [
  [
    'mails',
    'that was given up',
    (db) =>
      insertMail(db, async (id) => {
        const leased = await db.stores.outboxQueue.lease(NOW, NOW + 1, 1);
        expect(leased.map((lease) => lease.id)).toEqual([id]);
        for (const lease of leased) await db.stores.outboxQueue.markFailed(lease, 'no', undefined);
      }),
  ],
  ['mails', 'that waits', (db) => insertMail(db, async () => undefined)],
  [
    'knownDevices',
    'that is the last of its owner',
    async (db) => {
      const userId = await insertUser(db);
      await db.stores.knownDevices.note(sighting(userId, 'only', NOW));
      return { column: 'user_id', value: userId };
    },
  ],
  [
    'revocations',
    'that have not expired by the clock of the database',
    async (db) => {
      const { databaseTime } = await db.stores.revocations.snapshot(NOW);
      const id = newId();
      const expireTime = databaseTime + 60_000;
      await db.stores.revocations.insert({ form: 'token', id, revokeTime: NOW, expireTime });
      return { column: 'target_id', value: id };
    },
  ],
  ['apiKeys', 'without an end', (db) => insertKey(db, undefined)],
  [
    'totpFactors',
    'that was confirmed',
    async (db) => {
      const userId = await insertUser(db);
      await db.stores.totpFactors.insertPending({ userId, sealedSecret: randomBytes(60), createTime: NOW });
      const factor = await db.stores.totpFactors.find(userId);
      expect(factor && (await db.stores.totpFactors.confirm(factor, 1, NOW))).toBe(true);
      return { column: 'user_id', value: userId };
    },
  ],
  [
    'lockouts',
    'that is locked',
    async (db) => {
      const key = newId();
      const rule = { maxFailures: 2, lockMs: 20_000 * DAY_MS };
      for (const now of [NOW, NOW + 1]) await db.stores.lockouts.count(key, now, rule);
      return { column: 'key', value: key };
    },
  ],
];

async function isThere(db: TestStores, kind: CleanupKind, { column, value }: Made): Promise<boolean> {
  const { rows } = await sql`
    select 1 from ${sql.table(TABLES[kind])} where ${sql.ref(column)}::text = ${value}`.execute(
    db.database.tables,
  );
  return rows.length > 0;
}

function batchOf(kind: CleanupKind, now: number): CleanupBatch {
  return { kind, before: now - KEPT_MS[kind], now, position: undefined, limit: LIMIT };
}

function clean(db: TestStores, batch: CleanupBatch): Promise<CleanupProgress> {
  return db.transact(({ cleanup }) => cleanup.deleteBatch(batch));
}

/** Batch after batch; how many rows each took. */
async function cleanAll(db: TestStores, batch: CleanupBatch): Promise<readonly number[]> {
  const counts: number[] = [];
  for (let position = batch.position; ;) {
    const progress = await clean(db, { ...batch, position });
    counts.push(progress.deleted);
    if (progress.isDone) return counts;
    position = progress.position;
    if (counts.length > 100) throw new Error('the batches do not end');
  }
}

describeOnEveryDatabase('CleanupStore', (open: OpenStores) => {
  let db: TestStores;
  beforeEach(async () => {
    db ??= await open();
    for (const table of [...Object.values(TABLES), 'users'])
      await sql`delete from ${sql.table(table)}`.execute(db.database.tables);
  });

  it.each(ENDED)('keeps one of %s for its time after it %s, and no longer', async (kind, _how, make) => {
    // Revocations must have expired by the clock of the database as well.
    const now = kind === 'revocations' ? NOW : NOW + 1_000 * DAY_MS;
    const limit = now - KEPT_MS[kind];
    const kept = await make(db, limit + 1);
    const gone = await make(db, limit);
    const none = Object.fromEntries(CLEANUP_KINDS.map((each) => [each, 0]));
    expect(await db.stores.cleanup.countEnded(now)).toEqual({ ...none, [kind]: 1 });
    for (const each of CLEANUP_KINDS)
      expect(await cleanAll(db, batchOf(each, now))).toEqual([each === kind ? 1 : 0]);
    expect([await isThere(db, kind, kept), await isThere(db, kind, gone)]).toEqual([true, false]);
  });

  it.each(LASTING)('keeps one of %s %s', async (kind, _which, make) => {
    const made = await make(db);
    expect((await db.stores.cleanup.countEnded(NOW + 10_000 * DAY_MS))[kind]).toBe(0);
    expect(await cleanAll(db, batchOf(kind, NOW + 10_000 * DAY_MS))).toEqual([0]);
    expect(await isThere(db, kind, made)).toBe(true);
  });

  const manySessions = async (count: number) => {
    const userId = await insertUser(db);
    // Every second one has ended.
    await sql`
      insert into sessions (id, user_id, generation, salt, epoch, device_name, ip_address, user_agent, amr, auth_time, create_time,
        last_seen_time, expire_time, max_expire_time)
      select gen_random_uuid(), ${userId}::uuid, 1, '\\x00', 1, '', '', '', '{}', t, t, t,
        t + case when n % 2 = 0 then interval '1 day' else interval '100 days' end, t + interval '100 days'
      from generate_series(1, ${count}::int) n, (select ${new Date(NOW)}::timestamptz as t) at_once`.execute(
      db.database.tables,
    );
  };
  const count = async (table: string) => {
    const { rows } = await sql<{ readonly count: number }>`
      select count(*)::int as count from ${sql.table(table)}`.execute(db.database.tables);
    return rows[0]?.count;
  };

  it('takes no more than the limit at a time, and passes over nothing', async () => {
    await manySessions(1_000);
    const counts = await cleanAll(db, { ...batchOf('sessions', NOW + 50 * DAY_MS), limit: 30 });
    expect(Math.max(...counts)).toBe(30);
    expect(counts.reduce((sum, deleted) => sum + deleted)).toBe(500);
    expect(await count('sessions')).toBe(500);
    await sql`
      insert into revocations (form, target_id, min_version, revoke_time, expire_time)
      select 'token', n::text, 0, ${new Date(NOW)}::timestamptz, ${new Date(NOW)}::timestamptz
      from generate_series(1, 70) n`.execute(db.database.tables);
    const batch = { ...batchOf('revocations', NOW + DAY_MS), limit: 30 };
    expect(await cleanAll(db, batch)).toEqual([30, 30, 10]);
  });

  it('passes over no device of a person who has many', async () => {
    const userId = await insertUser(db);
    for (let n = 0; n < 30; n += 1)
      await db.stores.knownDevices.note(sighting(userId, `device ${n}`, NOW + n));
    const later = { ...batchOf('knownDevices', NOW + 1_000 * DAY_MS), limit: 2 };
    // What a bounded batch left of one person waits for the next round.
    for (let round = 0; round < 20; round += 1) await cleanAll(db, later);
    expect(await count('known_devices')).toBe(1);
    expect(await db.stores.knownDevices.note(sighting(userId, 'device 29', NOW))).toBe('known');
  });

  it('two at once delete each row once, and neither fails', async () => {
    await manySessions(2_000);
    const batch = batchOf('sessions', NOW + 50 * DAY_MS);
    const counts = (await Promise.all([cleanAll(db, batch), cleanAll(db, batch)])).flat();
    expect(counts.reduce((sum, deleted) => sum + deleted)).toBe(1_000);
    expect(await count('sessions')).toBe(1_000);
  });

  it('skips locked rows, and deletes them the next time', async () => {
    if (db.url === undefined) return;
    await manySessions(10);
    const batch = batchOf('sessions', NOW + 50 * DAY_MS);
    await db.database.tables.transaction().execute(async (transaction) => {
      await sql`select 1 from sessions where expire_time < max_expire_time limit 2 for update`.execute(
        transaction,
      );
      expect(await cleanAll(db, batch)).toEqual([3]);
    });
    expect(await cleanAll(db, batch)).toEqual([2]);
  });

  it('is locked by one transaction at a time, until it ends', async () => {
    const held = () => db.transact(({ cleanup }) => cleanup.tryLock());
    expect(await held()).toBe(true);
    expect(await held()).toBe(true);
    if (db.url === undefined) return;
    await db.transact(async ({ cleanup }) => {
      expect(await cleanup.tryLock()).toBe(true);
      expect(await held()).toBe(false);
    });
    expect(await held()).toBe(true);
  });
});
