// The contract of Outbox and OutboxQueue, on every database: each email leaves by one sender at a time.

import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';

import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { MINUTE_MS, NOW, sampleMail } from '../support/samples.ts';

const ALL = 1_000;

describeOnEveryDatabase('Outbox', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  const lease = (now: number, limit = ALL) => db.stores.outboxQueue.lease(now, now + MINUTE_MS, limit);
  const enqueue = async (count: number, createTime: number) => {
    const mails = Array.from({ length: count }, () => sampleMail({ createTime }));
    for (const mail of mails) await db.stores.outbox.enqueue(mail);
    return mails;
  };
  const finish = (ids: readonly { readonly id: string }[]) =>
    Promise.all(ids.map(({ id }) => db.stores.outboxQueue.markSent(id, NOW)));

  const rowOf = ({ id }: { readonly id: string }) =>
    db.database.tables.selectFrom('outbox_mails').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

  it('leases an email as it was enqueued, when it is due and not before', async () => {
    const [mail] = await enqueue(1, NOW + 10);
    expect(await lease(NOW + 9)).toEqual([]);
    expect(await lease(NOW + 10)).toEqual([{ ...mail, attempts: 1 }]);
    await finish([mail ?? { id: '' }]);
  });

  it('never leases an email to two senders', async () => {
    const mails = await enqueue(60, NOW);
    const leases = await Promise.all(Array.from({ length: 10 }, () => lease(NOW, 7)));
    const rest = await lease(NOW);
    const ids = [...leases, rest].flatMap((leased) => leased.map(({ id }) => id));
    for (const leased of leases) expect(leased.length).toBeLessThanOrEqual(7);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual(mails.map(({ id }) => id).toSorted());
    await finish(mails);
  });

  it('never leases more than was asked for, whatever the planner believes of the table', async () => {
    const { database, stores } = await open();
    const add = (mail = sampleMail({ createTime: NOW })) => stores.outbox.enqueue(mail);
    await add();
    await sql`analyze outbox_mails`.execute(database.tables);
    for (let count = 1; count < 12; count += 1) await add();
    expect(await stores.outboxQueue.lease(NOW, NOW + MINUTE_MS, 4)).toHaveLength(4);
  });

  it('hands it out again when the lease has ended without a word', async () => {
    const [mail] = await enqueue(1, NOW);
    expect(await lease(NOW)).toHaveLength(1);
    expect(await lease(NOW + MINUTE_MS - 1)).toEqual([]);
    expect(await lease(NOW + MINUTE_MS)).toEqual([{ ...mail, attempts: 2 }]);
    await finish([mail ?? { id: '' }]);
  });

  it('tries a failed one again at its time, and a dead one never', async () => {
    const [mail = sampleMail()] = await enqueue(1, NOW);
    await lease(NOW);
    const first = { id: mail.id, attempts: 1 };
    await db.stores.outboxQueue.markFailed(first, 'refused\0 🔑'.repeat(1_000), NOW + 5 * MINUTE_MS);
    expect(await lease(NOW + 5 * MINUTE_MS - 1)).toEqual([]);
    expect(await lease(NOW + 5 * MINUTE_MS)).toEqual([{ ...mail, attempts: 2 }]);
    const second = { id: mail.id, attempts: 2 };
    await db.stores.outboxQueue.markFailed(second, 'no such mailbox', undefined);
    expect(await lease(NOW + 1_000 * MINUTE_MS)).toEqual([]);
    expect(await rowOf(mail)).toMatchObject({ state: 'dead', last_error: 'no such mailbox' });
  });

  it('never sends again what was sent', async () => {
    const [mail = sampleMail()] = await enqueue(1, NOW);
    await lease(NOW);
    await db.stores.outboxQueue.markSent(mail.id, NOW + 1);
    expect(await lease(NOW + 1_000 * MINUTE_MS)).toEqual([]);
  });

  it('never sends a dropped one', async () => {
    const [mail = sampleMail()] = await enqueue(1, NOW);
    await lease(NOW);
    await db.stores.outboxQueue.markDropped({ id: mail.id, attempts: 1 });
    expect(await lease(NOW + 1_000 * MINUTE_MS)).toEqual([]);
    expect(await rowOf(mail)).toMatchObject({ state: 'dropped' });
  });

  it('ignores a failure and a drop from a sender whose lease has ended', async () => {
    const [mail = sampleMail()] = await enqueue(1, NOW);
    const stale = { id: mail.id, attempts: 1 };
    await lease(NOW);
    await lease(NOW + MINUTE_MS);
    await db.stores.outboxQueue.markFailed(stale, 'too late', undefined);
    await db.stores.outboxQueue.markFailed(stale, 'too late', NOW);
    await db.stores.outboxQueue.markDropped(stale);
    expect(await rowOf(mail)).toMatchObject({ state: 'pending', attempts: 2, last_error: null });
    expect(await lease(NOW + 2 * MINUTE_MS - 1)).toEqual([]);
    await finish([mail]);
  });

  it('ignores everything after an email was sent, and records a late success', async () => {
    const [mail = sampleMail()] = await enqueue(1, NOW);
    await lease(NOW);
    await lease(NOW + MINUTE_MS);
    await db.stores.outboxQueue.markSent(mail.id, NOW + MINUTE_MS);
    await db.stores.outboxQueue.markFailed({ id: mail.id, attempts: 2 }, 'lost', NOW);
    await db.stores.outboxQueue.markDropped({ id: mail.id, attempts: 2 });
    expect(await rowOf(mail)).toMatchObject({ state: 'sent', last_error: null });
  });

  it('stores no email whose transaction rolled back', async () => {
    const failing = db.transact(async ({ outbox }) => {
      await outbox.enqueue(sampleMail());
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(await lease(NOW + MINUTE_MS)).toEqual([]);
  });

  it('takes the oldest first', async () => {
    const [young] = await enqueue(1, NOW + 2_000);
    const [old] = await enqueue(1, NOW + 1_000);
    expect(await lease(NOW + 3_000, 1)).toMatchObject([{ id: old?.id }]);
    expect(await lease(NOW + 3_000, 1)).toMatchObject([{ id: young?.id }]);
  });
});
