// The contract of Transact, on every database: all or none, retried whole, and never an error without a remedy.

import { afterAll, beforeAll, expect, it } from 'vitest';

import { openDatabase } from '../../src/storage/postgres/connection.ts';
import { openTransactions } from '../../src/storage/postgres/stores.ts';
import type { NewUser } from '../../src/domain/account/user-store.ts';
import {
  describeOnEveryDatabase,
  describeOnPostgres,
  openServerDatabase,
  storesOver,
  type TestStores,
} from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { startPrivatePostgres, withClient, type PrivatePostgres } from '../support/private-postgres.ts';
import { NOW, sampleMail, sampleUser } from '../support/samples.ts';
import { describeWithPostgres } from '../support/services.ts';
import { anyNumber, refusal } from '../support/matchers.ts';

const unavailable = refusal('STORAGE_UNAVAILABLE');

/** What the database says when it wants the transaction again. */
const failureOf = (code: string) => Object.assign(new Error('try again'), { code });

describeOnEveryDatabase('Transact', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });

  it('keeps everything, and answers what the work answered', async () => {
    const user = sampleUser();
    const answer = await db.transact(async ({ users, outbox }) => {
      await users.insert(user);
      await outbox.enqueue(sampleMail());
      return 'answer';
    });
    expect(answer).toBe('answer');
    expect(await db.stores.users.findById(user.id)).toBeDefined();
  });

  it('keeps nothing when the work fails, and throws its error unchanged', async () => {
    const user = sampleUser();
    const failure = new Error('the work failed');
    const work = db.transact(async ({ users }) => {
      await users.insert(user);
      expect(await users.findById(user.id)).toBeDefined();
      throw failure;
    });
    await expect(work).rejects.toBe(failure);
    expect(await db.stores.users.findById(user.id)).toBeUndefined();
  });

  it('keeps nothing when a statement fails, even if the work goes on', async () => {
    const user = sampleUser();
    const work = db.transact(async ({ users }) => {
      await users.insert(user);
      await users.insert(sampleUser({ role: 'no such role' })).catch(() => undefined);
      await users.insert(sampleUser());
    });
    await expect(work).rejects.toThrow(/aborted|foreign key/);
    expect(await db.stores.users.findById(user.id)).toBeUndefined();
  });

  it('does not mix with what happens beside it', async () => {
    const inside = sampleUser();
    const beside = sampleUser();
    const other = sampleUser();
    const inserted = Promise.withResolvers<void>();
    const failing = db.transact(async ({ users }) => {
      await users.insert(inside);
      inserted.resolve();
      for (let step = 0; step < 20; step += 1) await users.findById(inside.id);
      throw new Error('rolled back');
    });
    await inserted.promise;
    const around = Promise.all([
      db.stores.users.insert(beside),
      db.transact(({ users }) => users.insert(other)),
    ]);
    await expect(failing).rejects.toThrow('rolled back');
    expect(await around).toEqual(['inserted', 'inserted']);
    const found = [inside, beside, other].map(({ id }) => db.stores.users.findById(id));
    expect((await Promise.all(found)).map((user) => user !== undefined)).toEqual([false, true, true]);
  });

  it.each(['40001', '40P01'])(
    'runs the whole work again after %s, without the failed tries',
    async (code) => {
      const tries: NewUser[] = [];
      await db.transact(async ({ users }) => {
        const user = sampleUser();
        tries.push(user);
        await users.insert(user);
        if (tries.length < 3) throw failureOf(code);
      });
      const found = await Promise.all(tries.map(({ id }) => db.stores.users.findById(id)));
      expect(found.map((user) => user !== undefined)).toEqual([false, false, true]);
    },
  );

  it('gives up after a bounded number of tries', async () => {
    let tries = 0;
    const hopeless = db.transact(async () => {
      tries += 1;
      throw failureOf('40001');
    });
    await expect(hopeless).rejects.toMatchObject({ reason: 'CONFLICT', retryAfterMs: anyNumber });
    expect(tries).toBeGreaterThan(1);
    expect(tries).toBeLessThanOrEqual(10);
  });
});

describeOnPostgres('Transact in a fight', (open) => {
  it('brings two transactions that deadlock both to their end', async () => {
    const { stores, transact } = await open();
    const [left, right] = [sampleUser(), sampleUser()];
    await stores.users.insert(left);
    await stores.users.insert(right);
    let tries = 0;
    let waiting = 2;
    const bothHoldOne = Promise.withResolvers<void>();
    const raise = (first: string, second: string) =>
      transact(async ({ users }) => {
        tries += 1;
        await users.raiseEpochs(first, NOW);
        waiting -= 1;
        if (waiting === 0) bothHoldOne.resolve();
        await bothHoldOne.promise;
        await users.raiseEpochs(second, NOW);
      });
    await Promise.all([raise(left.id, right.id), raise(right.id, left.id)]);
    expect(tries).toBeGreaterThan(2);
    for (const { id } of [left, right]) {
      expect(await stores.users.findById(id)).toMatchObject({ tokenVersion: 3 });
    }
  });

  it('brings serializable transactions that cannot all be right to their end', async () => {
    const { url = '', stores } = await open();
    const user = sampleUser();
    await stores.users.insert(user);
    const name = new URL(url).pathname.slice(1);
    await withClient(url, (client) =>
      client.query(`ALTER DATABASE "${name}" SET default_transaction_isolation = 'serializable'`),
    );
    const database = await openServerDatabase(url);
    const transact = openTransactions(database.tables);
    let tries = 0;
    let waiting = 2;
    const bothHaveRead = Promise.withResolvers<void>();
    const raise = () =>
      transact(async ({ users }) => {
        tries += 1;
        const before = await users.findById(user.id);
        waiting -= 1;
        if (waiting === 0) bothHaveRead.resolve();
        await bothHaveRead.promise;
        expect(await users.raiseEpochs(user.id, NOW)).toBe((before?.tokenVersion ?? 0) + 1);
      });
    await Promise.all([raise(), raise()]);
    await database.close();
    expect(tries).toBeGreaterThan(2);
    expect(await stores.users.findById(user.id)).toMatchObject({ tokenVersion: 3 });
  });

  it('says that the database is away when its connection is cut in the middle, and goes on afterwards', async () => {
    const { stores, transact, url = '' } = await open();
    const user = sampleUser();
    const cut = transact(async ({ users }) => {
      await users.insert(user);
      await withClient(url, (client) =>
        client.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and state = 'idle in transaction'`,
        ),
      );
      await users.findById(user.id);
    });
    await expect(cut).rejects.toEqual(unavailable);
    expect(await eventually(() => stores.users.insert(user))).toBe('inserted');
  });
});

describeWithPostgres('an unreachable Postgres', () => {
  let postgres: PrivatePostgres;
  let db: TestStores;
  beforeAll(async () => {
    postgres = await startPrivatePostgres();
    const database = await openDatabase({ url: postgres.url, poolSize: 2, statementTimeoutMs: 1_000 });
    await database.migrate();
    db = storesOver(database);
  });
  afterAll(async () => {
    await db.database.close();
    await postgres.stop();
  });

  const everyWay = () => [
    db.stores.users.findById('00000000-0000-7000-8000-000000000000'),
    db.stores.roles.list(),
    db.transact(({ roles }) => roles.list()),
  ];
  const allRefused = async () => {
    const results = await Promise.allSettled(everyWay());
    expect(results).toEqual(results.map(() => ({ status: 'rejected', reason: unavailable })));
  };
  const allServed = () =>
    eventually(async () => {
      await Promise.all(everyWay());
      return true;
    });

  it('is reported as STORAGE_UNAVAILABLE while it is down, and found again', async () => {
    await allServed();
    await postgres.stopServer('immediate');
    await allRefused();
    await postgres.startServer();
    await allServed();
  });

  it('is reported as STORAGE_UNAVAILABLE within the time limit while it hangs, and found again', async () => {
    await allServed();
    postgres.pause();
    const start = performance.now();
    await allRefused();
    expect(performance.now() - start).toBeLessThan(5_000);
    postgres.resume();
    await allServed();
  });
});
