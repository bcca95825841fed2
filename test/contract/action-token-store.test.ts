// The contract of ActionTokenStore, on every database: a token is used once, and for its purpose.

import { randomBytes } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';

import { newId } from '../../src/crypto/ids.ts';
import type { ActionPurpose, ActionToken } from '../../src/domain/action-token/action-token.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { NOW, sampleUser } from '../support/samples.ts';

const PURPOSES: readonly ActionPurpose[] = [
  'password_reset',
  'invitation',
  'email_verification',
  'email_change',
  'mfa_challenge',
];

describeOnEveryDatabase('ActionTokenStore', (open) => {
  let db: TestStores;
  let userId: string;
  beforeAll(async () => {
    db = await open();
    userId = await account();
  });
  const account = async () => {
    const user = sampleUser();
    await db.stores.users.insert(user);
    return user.id;
  };
  const insert = async (change: Partial<ActionToken> = {}) => {
    const token: ActionToken = {
      id: newId(),
      purpose: 'password_reset',
      userId,
      digest: new Uint8Array(randomBytes(32)),
      payload: { email: 'Ada "the first" @example.com', n: 1, list: ['\n', '🔑'] },
      createTime: NOW + 7,
      expireTime: NOW + 60_000,
      ...change,
    };
    await db.stores.actionTokens.insert(token);
    return token;
  };
  const comparable = (token: ActionToken | undefined) =>
    token && { ...token, digest: Buffer.from(token.digest).toString('hex') };

  it.each(PURPOSES)('keeps a %s as it was put in, also when it has expired', async (purpose) => {
    const token = await insert({ purpose, expireTime: NOW });
    expect(comparable(await db.stores.actionTokens.find(purpose, token))).toEqual(comparable(token));
    expect(comparable(await db.stores.actionTokens.consume(purpose, token))).toEqual(comparable(token));
    expect(await db.stores.actionTokens.find(purpose, token)).toBeUndefined();
    expect(await db.stores.actionTokens.consume(purpose, token)).toBeUndefined();
  });

  it('knows a token by id, purpose and digest together', async () => {
    const token = await insert();
    const other = await insert();
    const wrong = [
      { id: newId(), digest: token.digest },
      { id: token.id, digest: other.digest },
      { id: token.id, digest: new Uint8Array(0) },
      { id: token.id, digest: token.digest.subarray(0, 31) },
    ];
    for (const presented of wrong) {
      expect(await db.stores.actionTokens.find('password_reset', presented)).toBeUndefined();
      expect(await db.stores.actionTokens.consume('password_reset', presented)).toBeUndefined();
    }
    for (const purpose of PURPOSES.slice(1)) {
      expect(await db.stores.actionTokens.find(purpose, token)).toBeUndefined();
      expect(await db.stores.actionTokens.consume(purpose, token)).toBeUndefined();
    }
    expect(await db.stores.actionTokens.find('password_reset', token)).toBeDefined();
  });

  it('keeps a used token as used: of 50 at once one uses it, and ending all ends it too', async () => {
    const token = await insert({ purpose: 'email_verification' });
    const { actionTokens } = db.stores;
    const use = () => actionTokens.use('email_verification', token, NOW + 9);
    expect((await actionTokens.find('email_verification', token))?.useTime).toBeUndefined();
    const used = await Promise.all(Array.from({ length: 50 }, use));
    expect(used.filter((one) => one !== undefined)).toMatchObject([{ useTime: NOW + 9 }]);
    expect(await actionTokens.find('email_verification', token)).toMatchObject({ useTime: NOW + 9 });
    expect(await actionTokens.use('email_change', token, NOW)).toBeUndefined();
    await actionTokens.deleteAll(userId, ['email_verification']);
    expect(await actionTokens.find('email_verification', token)).toBeUndefined();
  });

  it('gives a token to one of 50 at once', async () => {
    const token = await insert();
    const got = await Promise.all(
      Array.from({ length: 50 }, () =>
        db.transact(({ actionTokens }) => actionTokens.consume('password_reset', token)),
      ),
    );
    expect(got.filter((one) => one !== undefined)).toHaveLength(1);
  });

  it('gives it back when the transaction fails', async () => {
    const token = await insert();
    const failing = db.transact(async ({ actionTokens }) => {
      await actionTokens.consume('password_reset', token);
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(await db.stores.actionTokens.consume('password_reset', token)).toBeDefined();
  });

  it('ends all of a user’s of some purposes, and no other’s', async () => {
    const stranger = await account();
    const own = await Promise.all(PURPOSES.map((purpose) => insert({ purpose })));
    const theirs = await insert({ userId: stranger });
    await db.stores.actionTokens.deleteAll(userId, ['password_reset', 'email_change']);
    const left = await Promise.all(own.map((token) => db.stores.actionTokens.find(token.purpose, token)));
    expect(left.map((token) => token?.purpose)).toEqual([
      undefined,
      'invitation',
      'email_verification',
      undefined,
      'mfa_challenge',
    ]);
    expect(await db.stores.actionTokens.find('password_reset', theirs)).toBeDefined();
  });
});
