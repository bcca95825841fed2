// The contract of TotpStore, on every database.

import { randomBytes } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import type { TotpFactor } from '../../src/domain/mfa/totp.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { MINUTE_MS, NOW, sampleUser } from '../support/samples.ts';

const STEP = 58_900_000;
const LATER = NOW + MINUTE_MS;

describeOnEveryDatabase('TotpStore', (open) => {
  let db: TestStores;
  beforeAll(async () => {
    db = await open();
  });
  const insertUser = async () => {
    const user = sampleUser();
    await db.stores.users.insert(user);
    return user.id;
  };
  const store = () => db.stores.totpFactors;
  const found = async (userId: string): Promise<TotpFactor> => {
    const factor = await store().find(userId);
    if (factor === undefined) throw new Error('there is no factor');
    return factor;
  };
  const pending = async (userId: string) => {
    const sealedSecret = randomBytes(60);
    expect(await store().insertPending({ userId, sealedSecret, createTime: NOW })).toBe(true);
    return found(userId);
  };
  const confirmed = async () => {
    const userId = await insertUser();
    expect(await store().confirm(await pending(userId), STEP, LATER)).toBe(true);
    return found(userId);
  };
  const replace = (userId: string, digests: readonly Uint8Array[]) =>
    db.transact(({ totpFactors }) => totpFactors.replaceBackupCodes(userId, digests));
  const digests = () => Array.from({ length: 10 }, () => randomBytes(32));
  const count = (outcomes: readonly boolean[]) => outcomes.filter(Boolean).length;

  it('finds what waits, and replaces it until it is confirmed', async () => {
    const userId = await insertUser();
    expect(await store().find(userId)).toBeUndefined();
    await pending(userId);
    const sealedSecret = randomBytes(60);
    await store().insertPending({ userId, sealedSecret, createTime: LATER });
    const factor = await found(userId);
    expect(factor).toMatchObject({ userId, createTime: LATER, confirmTime: undefined, lastUsedStep: 0 });
    expect(Buffer.from(factor.sealedSecret)).toEqual(sealedSecret);
    await store().confirm(factor, STEP, LATER);
    const late = { userId, sealedSecret: randomBytes(60), createTime: LATER };
    expect(await store().insertPending(late)).toBe(false);
    expect(await found(userId)).toEqual({ ...factor, confirmTime: LATER, lastUsedStep: STEP });
  });

  it('confirms the factor that was looked at, once', async () => {
    const userId = await insertUser();
    const replaced = await pending(userId);
    const factor = await pending(userId);
    expect(await store().confirm(replaced, STEP, LATER)).toBe(false);
    expect(await store().confirm({ ...factor, userId: await insertUser() }, STEP, LATER)).toBe(false);
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, () => store().confirm(factor, STEP, LATER)),
    );
    expect(count(outcomes)).toBe(1);
  });

  it('uses a step once, and none before it', async () => {
    const factor = await confirmed();
    expect(await store().useStep(factor, STEP)).toBe(false);
    expect(await store().useStep(factor, STEP - 1)).toBe(false);
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => store().useStep(factor, STEP + 2)));
    expect(count(outcomes)).toBe(1);
    expect(await store().useStep(factor, STEP + 1)).toBe(false);
    expect(await store().useStep(factor, STEP + 3)).toBe(true);
    expect(await found(factor.userId)).toMatchObject({ lastUsedStep: STEP + 3 });
  });

  it('uses no step of a factor that waits, or has been replaced since', async () => {
    const waiting = await pending(await insertUser());
    expect(await store().useStep(waiting, STEP)).toBe(false);
    const old = await confirmed();
    await store().remove(old.userId);
    await store().confirm(await pending(old.userId), 1, LATER);
    expect(await store().useStep(old, STEP + 1)).toBe(false);
    expect(await found(old.userId)).toMatchObject({ lastUsedStep: 1 });
  });

  it('keeps backup codes for a confirmed factor alone', async () => {
    const userId = await insertUser();
    expect(await replace(userId, digests())).toBe(false);
    await pending(userId);
    expect(await replace(userId, digests())).toBe(false);
    const rows = db.database.tables.selectFrom('backup_codes').selectAll().where('user_id', '=', userId);
    expect(await rows.execute()).toEqual([]);
  });

  it('uses a backup code once, and keeps it as used', async () => {
    const { userId } = await confirmed();
    const [first = randomBytes(32), second = randomBytes(32), ...rest] = digests();
    expect(await replace(userId, [first, second, ...rest])).toBe(true);
    expect(await store().findBackupCode(userId, first)).toBe('unused');
    const uses = Array.from({ length: 50 }, () => store().useBackupCode(userId, first, LATER));
    expect(count(await Promise.all(uses))).toBe(1);
    expect(await store().findBackupCode(userId, first)).toBe('used');
    expect(await store().findBackupCode(userId, second)).toBe('unused');
    expect(await store().useBackupCode(userId, randomBytes(32), LATER)).toBe(false);
    const other = await confirmed();
    expect(await store().findBackupCode(other.userId, second)).toBeUndefined();
    expect(await store().useBackupCode(other.userId, second, LATER)).toBe(false);
  });

  it('replaces all backup codes, used or not', async () => {
    const { userId } = await confirmed();
    const [first = randomBytes(32), second = randomBytes(32)] = digests();
    await replace(userId, [first, second]);
    await store().useBackupCode(userId, first, LATER);
    const fresh = digests();
    await replace(userId, fresh);
    for (const old of [first, second]) expect(await store().findBackupCode(userId, old)).toBeUndefined();
    for (const one of fresh) expect(await store().findBackupCode(userId, one)).toBe('unused');
  });

  it('leaves one set of ten of 20 at once', async () => {
    const { userId } = await confirmed();
    await Promise.all(Array.from({ length: 20 }, () => replace(userId, digests())));
    const rows = db.database.tables.selectFrom('backup_codes').selectAll().where('user_id', '=', userId);
    expect(await rows.execute()).toHaveLength(10);
  });

  it('deletes the factor and the codes together, and no others', async () => {
    const [one, other] = [await confirmed(), await confirmed()];
    const [digest = randomBytes(32), ...rest] = digests();
    for (const { userId } of [one, other]) await replace(userId, [digest, ...rest]);
    await store().remove(one.userId);
    expect(await store().find(one.userId)).toBeUndefined();
    expect(await store().findBackupCode(one.userId, digest)).toBeUndefined();
    expect(await found(other.userId)).toEqual(other);
    expect(await store().findBackupCode(other.userId, digest)).toBe('unused');
    await store().remove(newId());
  });
});
