// The sample of password hashes, on every database.

import { beforeAll, expect, it } from 'vitest';
import { sql } from 'kysely';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { sampleUser } from '../support/samples.ts';

describeOnEveryDatabase('HashSampler', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
    await db.database.tables.deleteFrom('users').execute();
  });

  it('has the hashes of accounts that can be asked for, and of few accounts all', async () => {
    const [active, suspended, deleted] = ['active', 'suspended', 'deleted'].map((status) => ({
      status,
      user: sampleUser({ passwordHash: `hash-${status}` }),
    }));
    for (const made of [active, suspended, deleted]) {
      if (made === undefined) throw new Error('there is none');
      await db.stores.users.insert(made.user);
      const { status } = made;
      await db.database.tables.updateTable('users').set({ status }).where('id', '=', made.user.id).execute();
    }
    await db.stores.users.insert({ ...sampleUser(), passwordHash: undefined });
    expect((await db.stores.hashSampler.sampleHashes(100)).toSorted()).toEqual([
      'hash-active',
      'hash-suspended',
    ]);
  });

  it('has of many accounts about as many as asked, and the same ones again', async () => {
    await sql`
      insert into users (id, email, email_key, full_name, password_hash, role, status, email_verified, mfa_enabled, create_time, update_time)
      select gen_random_uuid(), 'b' || n || '@example.com', 'b' || n || '@example.com', 'Bulk', 'hash-' || n, 'user', 'active', true, false, now(), now()
      from generate_series(1, 20000) n`.execute(db.database.tables);
    await sql`analyze users`.execute(db.database.tables);
    const hashes = await db.stores.hashSampler.sampleHashes(2_000);
    expect(hashes.length).toBeGreaterThan(500);
    expect(hashes.length).toBeLessThanOrEqual(4_000);
    expect(await db.stores.hashSampler.sampleHashes(2_000)).toEqual(hashes);
  });
});
