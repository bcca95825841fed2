// The master key against a database: which keys may open it, what it keeps for good, and how everything is sealed anew, on every database.

import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import { INSTANCE_SECRETS, openInstance } from '../../src/crypto/keys/instance-secrets.ts';
import { Keyring } from '../../src/crypto/keys/keyring.ts';
import { WrongMasterKeyError } from '../../src/crypto/keys/master-key-check.ts';
import { MasterKey } from '../../src/crypto/keys/master-key.ts';
import { resealer } from '../../src/crypto/keys/resealer.ts';
import { openSigningKey, signingKeyMaker } from '../../src/crypto/keys/signing-keys.ts';
import { totpSecrets } from '../../src/crypto/tokens/totp.ts';
import {
  MASTER_KEY_CHECK,
  MASTER_KEY_NEXT,
  SECRET_PREFIX,
} from '../../src/domain/instance/instance-store.ts';
import type { ResealedValue, SealedKind } from '../../src/domain/instance/sealed-values.ts';
import { RESEAL_BATCH, ResealError, rotateMasterKey } from '../../src/domain/instance/rotate-master-key.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { NOW, ORIGIN, sampleUser } from '../support/samples.ts';

const SECRETS = INSTANCE_SECRETS.length;
const newKey = () => new MasterKey(randomBytes(32));

describeOnEveryDatabase('the master key of a database', (open) => {
  let db: TestStores;
  let old: MasterKey;
  let next: MasterKey;
  let eventsBefore = 0;
  beforeAll(async () => {
    db = await open();
  });
  beforeEach(async () => {
    const { tables } = db.database;
    await sql`truncate instance_facts, signing_keys, users cascade`.execute(tables);
    eventsBefore = await allEvents();
    [old, next] = [newKey(), newKey()];
  });

  const openWith = (primary: MasterKey, second?: MasterKey) =>
    openInstance(new Keyring(primary, second), { instance: db.stores.instance, transact: db.transact });
  const refused = (primary: MasterKey, second?: MasterKey) =>
    expect(openWith(primary, second)).rejects.toThrow(WrongMasterKeyError);
  const plain = (secrets: Awaited<ReturnType<typeof openWith>>) =>
    Object.fromEntries(
      Object.entries(secrets).map(([name, secret]) => [name, Buffer.from(secret).toString('hex')]),
    );
  const rotate = (
    primary: MasterKey,
    second?: MasterKey,
    change: Partial<Parameters<typeof rotateMasterKey>[0]> = {},
  ) =>
    rotateMasterKey(
      {
        clock: new FakeClock(NOW),
        newId,
        sealedValues: db.stores.sealedValues,
        resealer: resealer(new Keyring(primary, second)),
        transact: db.transact,
        onProgress: () => undefined,
        ...change,
      },
      ORIGIN,
    );
  const allEvents = async () =>
    (
      await db.database.tables
        .selectFrom('audit_events')
        .select('id')
        .where('kind', '=', 'master_key.rotate')
        .execute()
    ).length;
  // The log can only be added to.
  const eventCount = async () => (await allEvents()) - eventsBefore;
  const enroll = async (by: MasterKey, count = 1): Promise<readonly string[]> => {
    const ids: string[] = [];
    for (let index = 0; index < count; index += 1) {
      const user = sampleUser();
      await db.stores.users.insert(user);
      const sealedSecret = totpSecrets(by).seal(user.id, `secret of ${user.id}`);
      await db.stores.totpFactors.insertPending({ userId: user.id, sealedSecret, createTime: NOW });
      ids.push(user.id);
    }
    return ids;
  };
  const secretOf = async (userId: string, by: MasterKey) => {
    const factor = await db.stores.totpFactors.find(userId);
    return totpSecrets(by).unseal(userId, factor?.sealedSecret ?? new Uint8Array());
  };

  it('is the same for all who open a new database at once, and its secrets are random', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => openWith(old)));
    const [first] = opened.map(plain);
    for (const secrets of opened) expect(plain(secrets)).toEqual(first);
    expect(Object.keys(first ?? {})).toEqual(INSTANCE_SECRETS);
    expect(new Set(Object.values(first ?? {})).size).toBe(INSTANCE_SECRETS.length);
    for (const [name, secret] of Object.entries(first ?? {}))
      expect(secret).not.toBe(Buffer.from(old.derive(name)).toString('hex'));
    expect(plain(await openWith(old))).toEqual(first);
    await refused(newKey());
  });

  it('leaves a database from before there were secrets what was derived then, whichever key seals by now', async () => {
    await openWith(old);
    await db.database.tables
      .deleteFrom('instance_facts')
      .where('name', 'like', `${SECRET_PREFIX}%`)
      .execute();
    const opened = await Promise.all([openWith(old, next), openWith(old, next), openWith(old, next)]);
    for (const secrets of opened)
      for (const name of ['refresh-token', 'session-cookie', 'backup-code', 'audit-chain'] as const)
        expect(secrets[name]).toEqual(old.derive(name));
    // What came later was never derived.
    const [first, ...others] = opened.map((secrets) => secrets['device-token']);
    for (const secret of others) expect(secret).toEqual(first);
    expect(first).not.toEqual(old.derive('device-token'));
    await db.database.tables
      .deleteFrom('instance_facts')
      .where('name', '=', `${SECRET_PREFIX}audit-chain`)
      .execute();
    expect((await openWith(next, old))['audit-chain']).toEqual(old.derive('audit-chain'));
  });

  it('may be changed step by step, and a wrong one is refused at every step', async () => {
    const secrets = plain(await openWith(old));
    const wrong = newKey();
    await refused(wrong);
    await refused(wrong, next);

    // Every node opens by both, and seals by the old one.
    expect(plain(await openWith(old, next))).toEqual(secrets);
    await refused(wrong, old);
    await refused(next);
    // Every node seals by the new one.
    expect(plain(await openWith(next, old))).toEqual(secrets);
    expect(plain(await openWith(old, next))).toEqual(secrets);
    await refused(old);
    await refused(old, wrong);
    await refused(next);
    await refused(wrong, old);
    await refused(wrong, next);
    // Everything is sealed anew.
    await rotate(next, old);
    expect(plain(await openWith(next, old))).toEqual(secrets);
    expect(plain(await openWith(next))).toEqual(secrets);
    await refused(old);
    await refused(wrong);
    expect([...(await db.stores.instance.listFacts()).keys()]).not.toContain(MASTER_KEY_NEXT);
  });

  it('may be changed on one node without the first step, and a wrong next key can be replaced', async () => {
    const secrets = plain(await openWith(old));
    await openWith(old, newKey());
    await openWith(old, next);
    expect(plain(await openWith(next, old))).toEqual(secrets);
    await rotate(next, old);
    const third = newKey();
    expect(plain(await openWith(next))).toEqual(secrets);
    expect(plain(await openWith(third, next))).toEqual(secrets);
  });

  it('may be taken back before everything is sealed anew', async () => {
    const secrets = plain(await openWith(old));
    await openWith(next, old);
    const [user = ''] = await enroll(next);
    await rotate(old, next);
    expect(plain(await openWith(old))).toEqual(secrets);
    expect(await secretOf(user, old)).toBe(`secret of ${user}`);
    await refused(next);
  });

  describe('sealing anew', () => {
    it('reaches everything, in steps, and a second run does nothing', async () => {
      const secrets = plain(await openWith(old));
      await openWith(next, old);
      const users = await enroll(old, RESEAL_BATCH + 3);
      const [late = ''] = await enroll(next);
      const signing = [
        await signingKeyMaker(old)('ES256', NOW, NOW),
        await signingKeyMaker(old)('EdDSA', NOW, NOW + 1),
      ];
      for (const key of signing) await db.stores.signingKeys.insert(key);
      const steps: Array<readonly [number, number]> = [];
      const onProgress = (done: number, total: number) => void steps.push([done, total]);
      expect(await rotate(next, old, { onProgress })).toEqual({
        hasChangedKey: true,
        counts: {
          totp_secrets: { total: users.length + 1, resealed: users.length },
          signing_keys: { total: 2, resealed: 2 },
          instance_secrets: { total: SECRETS, resealed: SECRETS },
        },
      });
      const all = users.length + 3 + SECRETS;
      expect(steps.at(-1)).toEqual([all, all]);
      for (const user of [...users, late]) expect(await secretOf(user, next)).toBe(`secret of ${user}`);
      for (const key of await db.stores.signingKeys.list())
        await expect(openSigningKey(next, key)).resolves.toMatchObject({ kid: key.kid });
      expect(plain(await openWith(next))).toEqual(secrets);
      expect(await eventCount()).toBe(1);

      for (const second of [old, undefined]) {
        const again = await rotate(next, second);
        expect(again.hasChangedKey).toBe(false);
        expect(Object.values(again.counts).map(({ resealed }) => resealed)).toEqual([0, 0, 0]);
      }
      expect(await eventCount()).toBe(1);
    });

    it('goes on where a run ended that failed in the middle', async () => {
      await openWith(old);
      await openWith(next, old);
      const users = await enroll(old, 3);
      const dying = {
        ...db.stores.sealedValues,
        replace: async (kind: SealedKind, values: readonly ResealedValue[]) => {
          if (kind === 'signing_keys') throw new Error('killed');
          return db.stores.sealedValues.replace(kind, values.slice(0, 2));
        },
      };
      await db.stores.signingKeys.insert(await signingKeyMaker(old)('ES256', NOW, NOW));
      await expect(rotate(next, old, { sealedValues: dying })).rejects.toThrow('killed');
      await refused(next);
      const { counts } = await rotate(next, old);
      expect(counts.totp_secrets).toEqual({ total: 3, resealed: 1 });
      for (const user of users) expect(await secretOf(user, next)).toBe(`secret of ${user}`);
    });

    it('by several at once does it once', async () => {
      await openWith(old);
      await openWith(next, old);
      const users = await enroll(old, 20);
      const runs = await Promise.all(Array.from({ length: 4 }, () => rotate(next, old)));
      expect(runs.reduce((sum, { counts }) => sum + counts.totp_secrets.resealed, 0)).toBe(users.length);
      expect(runs.filter(({ hasChangedKey }) => hasChangedKey)).toHaveLength(1);
      expect(await eventCount()).toBe(1);
    });

    it('does not overwrite what a node has changed concurrently, and sees it at the next pass', async () => {
      await openWith(old);
      await openWith(next, old);
      const [user = ''] = await enroll(old);
      let isFirst = true;
      const meanwhile = {
        ...db.stores.sealedValues,
        replace: async (kind: SealedKind, values: readonly ResealedValue[]) => {
          if (kind === 'totp_secrets' && isFirst) {
            isFirst = false;
            // By a node that does not have the new key to seal by.
            const sealedSecret = totpSecrets(old).seal(user, 'a newer secret');
            await db.stores.totpFactors.insertPending({ userId: user, sealedSecret, createTime: NOW + 1 });
          }
          return db.stores.sealedValues.replace(kind, values);
        },
      };
      const { counts } = await rotate(next, old, { sealedValues: meanwhile });
      expect(await secretOf(user, next)).toBe('a newer secret');
      expect(counts.totp_secrets).toEqual({ total: 1, resealed: 1 });
    });

    it('says so when a node never stops sealing by the other key, and keeps that key needed', async () => {
      await openWith(old);
      await openWith(next, old);
      const [user = ''] = await enroll(old);
      const stubborn = {
        ...db.stores.sealedValues,
        replace: async (kind: SealedKind, values: readonly ResealedValue[]) => {
          const count = await db.stores.sealedValues.replace(kind, values);
          const sealedSecret = totpSecrets(old).seal(user, 'again');
          await db.stores.totpFactors.insertPending({ userId: user, sealedSecret, createTime: NOW });
          return count;
        },
      };
      await expect(rotate(next, old, { sealedValues: stubborn })).rejects.toThrow(ResealError);
      await refused(next);
    });

    it('names what no key opens, seals the rest, and keeps the other key needed', async () => {
      await openWith(old);
      await openWith(next, old);
      const [lost = ''] = await enroll(newKey());
      const [user = ''] = await enroll(old);
      await expect(rotate(next, old)).rejects.toThrow(
        `sealed by a master key that is not here: totp_secrets ${lost}`,
      );
      expect(await secretOf(user, next)).toBe(`secret of ${user}`);
      await refused(next);
      await db.stores.totpFactors.remove(lost);
      expect((await rotate(next, old)).hasChangedKey).toBe(true);
    });

    it('lets a code be used that was being checked when its secret was sealed anew', async () => {
      await openWith(old);
      await openWith(next, old);
      const [user = ''] = await enroll(old);
      const read = await db.stores.totpFactors.find(user);
      await rotate(next, old);
      if (read === undefined) throw new Error('the factor is not there');
      expect(await db.stores.totpFactors.confirm(read, 1, NOW)).toBe(true);
      expect(await db.stores.totpFactors.useStep(read, 2)).toBe(true);
      expect(await db.stores.totpFactors.useStep(read, 2)).toBe(false);
    });
  });

  it('is known by what it has left, and by nothing that was tampered with', async () => {
    await openWith(old);
    const facts = await db.stores.instance.listFacts();
    const check = facts.get(MASTER_KEY_CHECK) ?? '';
    for (const value of ['', 'x', check.slice(4), `${check.slice(0, -4)}AAAA`]) {
      await db.database.tables
        .updateTable('instance_facts')
        .set({ value })
        .where('name', '=', MASTER_KEY_CHECK)
        .execute();
      await refused(old);
      await refused(old, next);
    }
  });
});
