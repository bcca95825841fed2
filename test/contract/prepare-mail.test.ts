// Holds the links of emails over every database: one live link for each account and purpose, whatever happens at once.

import { beforeAll, beforeEach, expect, it } from 'vitest';

import { actionTokenCodec } from '../../src/crypto/tokens/action-token-codec.ts';
import { newId } from '../../src/crypto/ids.ts';
import { resetPassword } from '../../src/domain/password/reset-password.ts';
import type { NewUser } from '../../src/domain/account/user-store.ts';
import { breachCheckOff } from '../../src/domain/password/breached-passwords.ts';
import { DomainError } from '../../src/domain/errors.ts';
import type { LinkContent } from '../../src/domain/mail/outbox.ts';
import { prepareMail } from '../../src/domain/mail/prepare-mail.ts';
import type { ReadyMail } from '../../src/domain/mail/ready-mail.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MINUTE_MS, NOW, ORIGIN, sampleMail, sampleUser } from '../support/samples.ts';

const RESET: LinkContent = { template: 'password_reset', origin: ORIGIN };

describeOnEveryDatabase('prepareMail', (open) => {
  let db: TestStores;
  let user: NewUser;
  let clock: FakeClock;
  beforeAll(async () => {
    db = await open();
  });
  beforeEach(async () => {
    clock = new FakeClock(NOW);
    user = sampleUser();
    await db.stores.users.insert(user);
  });

  const deps = () => ({
    transact: db.transact,
    clock,
    newId,
    actionTokenCodec,
    publicUrl: 'https://id.example.com',
  });
  const leased = async (content: LinkContent, to = user.email.text) => {
    const mail = sampleMail({ content, to });
    await db.stores.outbox.enqueue(mail);
    return { ...mail, attempts: 0 };
  };
  const prepare = async (content: LinkContent, to?: string) => prepareMail(deps(), await leased(content, to));
  const stateOf = async (id: string) =>
    (await db.database.tables.selectFrom('outbox_mails').select('state').where('id', '=', id).execute())[0]
      ?.state;
  const eventsOf = (id: string) =>
    db.database.tables.selectFrom('audit_events').selectAll().where('id', '=', id).execute();
  const tokensOf = (userId: string) =>
    db.database.tables.selectFrom('action_tokens').selectAll().where('user_id', '=', userId).execute();
  const isLive = async (mail: ReadyMail | undefined) => {
    const link = mail !== undefined && 'link' in mail.content ? mail.content.link : '';
    const presented = actionTokenCodec.read('password_reset', link.slice(link.indexOf('=') + 1));
    return (
      presented !== undefined &&
      (await db.stores.actionTokens.find('password_reset', presented)) !== undefined
    );
  };

  it('20 resets of one account at once leave one live link', async () => {
    const mails = await Promise.all(Array.from({ length: 20 }, () => prepare(RESET)));
    const live = await Promise.all(mails.map(isLive));
    expect(live.filter(Boolean)).toHaveLength(1);
    expect(await tokensOf(user.id)).toHaveLength(1);
  });

  it('links of other purposes live side by side', async () => {
    const reset = await prepare(RESET);
    await prepare({ template: 'verify_email', origin: ORIGIN });
    await prepare({ template: 'email_change', userId: user.id, origin: ORIGIN }, 'free@example.org');
    expect((await tokensOf(user.id)).map(({ purpose }) => purpose).toSorted()).toEqual([
      'email_change',
      'email_verification',
      'password_reset',
    ]);
    expect(await isLive(reset)).toBe(true);
  });

  it('each attempt has a link and a message id of its own, and the request is one event', async () => {
    const mail = await leased(RESET);
    const first = await prepareMail(deps(), { ...mail, attempts: 1 });
    clock.advance(MINUTE_MS);
    const second = await prepareMail(deps(), { ...mail, attempts: 2 });
    expect([await isLive(first), await isLive(second)]).toEqual([false, true]);
    expect(first?.messageId).not.toBe(second?.messageId);
    expect([first?.time, second?.time]).toEqual([NOW, NOW + MINUTE_MS]);
    expect(await eventsOf(mail.id)).toMatchObject([
      {
        kind: 'account.password_reset_request',
        outcome: 'success',
        account_id: user.id,
        ip_address: ORIGIN.ipAddress,
      },
    ]);
  });

  it('an email whose account is gone by the time it is due is dropped, whole or not at all', async () => {
    const mail = await leased(RESET);
    await db.database.tables
      .updateTable('users')
      .set({ status: 'deleted' })
      .where('id', '=', user.id)
      .execute();
    const failing: typeof db.transact = (work) =>
      db.transact(async (stores) => {
        await work(stores);
        throw new Error('rolled back');
      });
    await expect(prepareMail({ ...deps(), transact: failing }, mail)).rejects.toThrow('rolled back');
    expect(await stateOf(mail.id)).toBe('pending');
    expect(await eventsOf(mail.id)).toEqual([]);
    expect(await prepareMail(deps(), mail)).toBeUndefined();
    expect(await stateOf(mail.id)).toBe('dropped');
    expect(await eventsOf(mail.id)).toMatchObject([
      { outcome: 'refused', reason: 'USER_NOT_FOUND', account_id: null },
    ]);
    expect(await tokensOf(user.id)).toEqual([]);
  });

  it('a reset that is used while newer links are made: no call deadlocks, and at most one link lives', async () => {
    const first = await prepare(RESET);
    const link = first !== undefined && 'link' in first.content ? first.content.link : '';
    const token = link.slice(link.indexOf('=') + 1);
    const resetDeps = {
      ...deps(),
      ...db.stores,
      passwordHasher: { hash: async (password: string) => password },
      passwordPolicy: 'strict' as const,
      commonPasswords: new Map<string, number>(),
      breachedPasswords: breachCheckOff,
      tokenPolicy: { accessTokenTtlMs: MINUTE_MS },
      revocationIndex: { apply: () => undefined },
      revocationChannel: { publish: async () => undefined },
      onChannelFailure: () => undefined,
    };
    const uses = Array.from({ length: 10 }, () =>
      resetPassword(resetDeps, {
        token,
        newPassword: 'Vex7!quartz-Loom',
        keepApiKeys: true,
        origin: ORIGIN,
      }).then(
        () => 'ok',
        (error: unknown) => (error instanceof DomainError ? error.reason : error),
      ),
    );
    const newer = Array.from({ length: 10 }, () => prepare(RESET));
    const endings = await Promise.all(uses);
    await Promise.all(newer);
    expect(endings.filter((ending) => ending === 'ok').length).toBeLessThanOrEqual(1);
    expect(new Set([...endings, 'ok', 'TOKEN_INVALID'])).toEqual(new Set(['ok', 'TOKEN_INVALID']));
    expect((await tokensOf(user.id)).length).toBeLessThanOrEqual(1);
  });

  it('a welcome of the version before, which does not say who asked, still gets its link', async () => {
    const mail = await prepare({ template: 'verify_email' });
    expect(mail?.content).toMatchObject({ template: 'verify_email' });
    expect(await tokensOf(user.id)).toHaveLength(1);
  });

  it('an e-mail change that was asked for by a credential that has ended since is dropped', async () => {
    const found = await db.stores.users.findById(user.id);
    const asked = (version: number) =>
      prepare({ template: 'email_change', userId: user.id, version, origin: ORIGIN }, 'free@example.org');
    const version = found?.tokenVersion ?? Number.NaN;
    expect((await asked(version))?.content.template).toBe('email_change');
    await db.stores.users.raiseEpochs(user.id, NOW);
    expect(await asked(version)).toBeUndefined();
    expect((await asked(version + 1))?.content.template).toBe('email_change');
  });

  it('two accounts that want each other’s address at once: both owners are notified, no link is sent', async () => {
    const other = sampleUser();
    await db.stores.users.insert(other);
    const want = (asker: NewUser, wanted: NewUser) =>
      prepare(
        { template: 'email_change', userId: asker.id, origin: ORIGIN },
        wanted.email.text.toUpperCase(),
      );
    const mails = await Promise.all(
      Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? want(user, other) : want(other, user))),
    );
    for (const mail of mails) expect(mail?.content.template).toBe('email_change_taken');
    expect(new Set(mails.map((mail) => mail?.to))).toEqual(new Set([user.email.text, other.email.text]));
    expect([...(await tokensOf(user.id)), ...(await tokensOf(other.id))]).toEqual([]);
  });
});
