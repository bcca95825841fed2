// Holds enrolment, logins with codes, lockout and turning off over the embedded database.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import { disableTotp } from '../../src/domain/mfa/disable-totp.ts';
import type { TypedFactor } from '../../src/domain/mfa/match-factor.ts';
import { regenerateBackupCodes } from '../../src/domain/mfa/regenerate-backup-codes.ts';
import { PENDING_MS } from '../../src/domain/mfa/totp.ts';
import { verifyMfa } from '../../src/domain/mfa/verify-mfa.ts';
import { logoutAll } from '../../src/domain/session/end-session.ts';
import { login } from '../../src/domain/session/login.ts';
import { refresh } from '../../src/domain/session/refresh.ts';
import type { AccessTokenClaims } from '../../src/domain/token/access-token.ts';
import { openEmbeddedStores, type TestStores } from '../support/databases.ts';
import { anything, refusal } from '../support/matchers.ts';
import { enrolledPerson, mfaWorld, PASSWORD_PROOF, person, type MfaWorld } from '../support/mfa-world.ts';
import { LOCKOUT_RULE, MINUTE_MS, NOW, ORIGIN } from '../support/samples.ts';
import { STEP_MS, totpCode, wrongCode } from '../support/totp.ts';

describe('The second factor', () => {
  let db: TestStores;
  let world: MfaWorld;
  beforeAll(async () => {
    db = await openEmbeddedStores();
  });
  afterAll(() => db.database.close());
  beforeEach(() => {
    world = mfaWorld(db);
  });

  const codeAt = (secret: string, steps = 0) => totpCode(secret, world.clock.now() + steps * STEP_MS);
  const claimsOf = (token: string) => JSON.parse(token) as AccessTokenClaims;
  const refreshWith = (refreshToken: string) => refresh(world, { refreshToken, scopes: [], origin: ORIGIN });
  const rowsOf = (kind: string, userId: string) =>
    db.database.tables
      .selectFrom('audit_events')
      .selectAll()
      .where('kind', '=', kind)
      .where('account_id', '=', userId)
      .orderBy('id')
      .execute();
  const emailsTo = async (address: string) => {
    const mails = db.database.tables.selectFrom('outbox_mails').selectAll();
    return (await mails.where('recipient', '=', address).orderBy('id').execute()).map(
      ({ letter }) => letter['template'],
    );
  };
  const setStatus = (id: string, status: string) =>
    db.database.tables.updateTable('users').set({ status }).where('id', '=', id).execute();

  describe('enrolment', () => {
    it('waits ten minutes for its first code, and not longer', async () => {
      const owner = await person(world);
      const { sessionId } = await owner.logIn();
      await expect(owner.confirm(sessionId, '123456')).rejects.toEqual(refusal('MFA_NOT_PENDING'));
      const { secret } = await owner.enroll();
      world.clock.advance(PENDING_MS + 1);
      await expect(owner.confirm(sessionId, codeAt(secret))).rejects.toEqual(refusal('MFA_NOT_PENDING'));
      const later = await owner.enroll();
      world.clock.advance(PENDING_MS);
      expect(await owner.confirm(sessionId, codeAt(later.secret))).toHaveLength(10);
    });

    it('is replaced by the next one', async () => {
      const owner = await person(world);
      const { sessionId } = await owner.logIn();
      const [old, next] = [await owner.enroll(), await owner.enroll()];
      expect(next.secret).not.toBe(old.secret);
      await expect(owner.confirm(sessionId, codeAt(old.secret))).rejects.toEqual(refusal('MFA_CODE_INVALID'));
      expect(await owner.confirm(sessionId, codeAt(next.secret))).toHaveLength(10);
      expect(await rowsOf('mfa.enroll', owner.user.id)).toHaveLength(2);
    });

    it('asks nothing at login before it is confirmed', async () => {
      const owner = await person(world);
      await owner.enroll();
      expect(claimsOf((await owner.logIn()).accessToken).amr).toEqual(['pwd']);
    });

    it('is refused while the factor is on', async () => {
      const owner = await enrolledPerson(world);
      await expect(owner.enroll()).rejects.toEqual(refusal('MFA_ALREADY_ENABLED'));
      await expect(owner.confirm(owner.sessionId, codeAt(owner.secret, 1))).rejects.toEqual(
        refusal('MFA_ALREADY_ENABLED'),
      );
      expect(await owner.verify(await owner.challenge(), owner.code(1))).toHaveProperty('accessToken');
    });

    it('ends every other session at once, and leaves the calling one better proved', async () => {
      const owner = await person(world);
      const calling = await owner.logIn();
      const [other, idle] = [await owner.logIn(), await owner.logIn()];
      const past = NOW - 60 * MINUTE_MS;
      await db.database.tables
        .updateTable('sessions')
        .set({ last_seen_time: new Date(past) })
        .where('id', '=', idle.sessionId)
        .execute();
      const { secret } = await owner.enroll();
      await owner.confirm(calling.sessionId, codeAt(secret));
      expect(world.revocationIndex.isRevoked(claimsOf(other.accessToken))).toBe(true);
      expect(world.revocationIndex.isRevoked(claimsOf(calling.accessToken))).toBe(false);
      for (const { refreshToken } of [other, idle])
        await expect(refreshWith(refreshToken)).rejects.toEqual(refusal('TOKEN_REVOKED'));
      const next = await refreshWith(calling.refreshToken);
      expect(claimsOf(next.accessToken)).toMatchObject({ amr: ['pwd', 'otp', 'mfa'], authTime: NOW });
      expect(await world.users.findById(owner.user.id)).toMatchObject({ mfaEnabled: true, tokenVersion: 1 });
      expect(await rowsOf('mfa.enable', owner.user.id)).toMatchObject([
        { outcome: 'success', actor_id: owner.user.id, target_id: owner.user.id },
      ]);
      expect(await emailsTo(owner.user.email.text)).toEqual(['mfa_enabled']);
    });

    it('fails when the calling session has ended concurrently', async () => {
      const owner = await person(world);
      const { sessionId } = await owner.logIn();
      const { secret } = await owner.enroll();
      await logoutAll(world, { userId: owner.user.id, revokeApiKeys: false, origin: ORIGIN });
      await expect(owner.confirm(sessionId, codeAt(secret))).rejects.toEqual(refusal('TOKEN_REVOKED'));
      expect(await world.users.findById(owner.user.id)).toMatchObject({ mfaEnabled: false });
      expect(await world.totpFactors.find(owner.user.id)).toMatchObject({ confirmTime: undefined });
      const again = await owner.logIn();
      expect(await owner.confirm(again.sessionId, codeAt(secret))).toHaveLength(10);
    });

    it('counts wrong codes toward a lockout of the session, which bars the right one and no login', async () => {
      const owner = await person(world);
      const { sessionId } = await owner.logIn();
      const { secret } = await owner.enroll();
      for (let guess = 0; guess < LOCKOUT_RULE.maxFailures; guess += 1)
        await expect(owner.confirm(sessionId, wrongCode(secret, NOW))).rejects.toEqual(
          refusal('MFA_CODE_INVALID'),
        );
      await expect(owner.confirm(sessionId, codeAt(secret))).rejects.toEqual(refusal('ACCOUNT_LOCKED'));
      expect(await owner.logIn()).toHaveProperty('accessToken');
      const refused = await rowsOf('mfa.enable', owner.user.id);
      expect(refused.map(({ reason }) => reason)).toEqual([
        ...Array.from({ length: LOCKOUT_RULE.maxFailures }, () => 'MFA_CODE_INVALID'),
        'ACCOUNT_LOCKED',
      ]);
      expect(refused[0]).toMatchObject({ outcome: 'refused', actor_id: owner.user.id });
      expect(await emailsTo(owner.user.email.text)).toEqual(['account_locked']);
    });
  });

  describe('login', () => {
    it('opens what was asked for, once the code has come', async () => {
      const owner = await enrolledPerson(world);
      const identifier = owner.user.username?.text ?? '';
      const options = { scopes: ['account:read', 'users:write'], deviceName: 'phone', useCookie: false };
      const outcome = await login(world, { identifier, password: 'right', ...options, origin: ORIGIN });
      if (!('challenge' in outcome)) throw new Error('no second factor is asked');
      world.clock.advance(MINUTE_MS);
      const tokens = await owner.verify(outcome.challenge.mfaToken, owner.code());
      expect(tokens.scopes).toEqual(['account:read']);
      expect(claimsOf(tokens.accessToken)).toMatchObject({
        subjectId: owner.user.id,
        amr: ['pwd', 'otp', 'mfa'],
        authTime: NOW + MINUTE_MS,
      });
      expect((await world.sessions.findWithUser(tokens.sessionId))?.session).toMatchObject({
        scopes: ['account:read', 'users:write'],
        deviceName: 'phone',
      });
      expect(await world.users.findById(owner.user.id)).toMatchObject({ lastLoginTime: NOW + MINUTE_MS });
      expect(await rowsOf('session.verify_mfa', owner.user.id)).toMatchObject([
        { outcome: 'success', target_id: tokens.sessionId, actor_id: owner.user.id },
      ]);
      expect(await emailsTo(owner.user.email.text)).toEqual(['mfa_enabled', 'new_device']);
      expect(await refreshWith(tokens.refreshToken)).toHaveProperty('accessToken');
    });

    it('takes a code of a step early and a step late, and of no other', async () => {
      const owner = await enrolledPerson(world);
      world.clock.advance(10 * STEP_MS);
      const mfaToken = await owner.challenge();
      for (const steps of [-2, 2, -10])
        await expect(owner.verify(mfaToken, owner.code(steps))).rejects.toEqual(refusal('MFA_CODE_INVALID'));
      expect(await owner.verify(mfaToken, owner.code(-1))).toHaveProperty('accessToken');
      expect(await owner.verify(await owner.challenge(), owner.code(1))).toHaveProperty('accessToken');
    });

    it('takes no code twice, nor one older than the last, and calls neither a guess', async () => {
      const owner = await enrolledPerson(world);
      // The code that turned the factor on is used up by that.
      const mfaToken = await owner.challenge();
      for (let replay = 0; replay < 2 * LOCKOUT_RULE.maxFailures; replay += 1)
        await expect(owner.verify(mfaToken, owner.code(0))).rejects.toEqual(refusal('MFA_CODE_INVALID'));
      await owner.verify(mfaToken, owner.code(1));
      world.clock.advance(STEP_MS);
      const next = await owner.challenge();
      for (const steps of [0, -1, 0, -1, 0, -1])
        await expect(owner.verify(next, owner.code(steps))).rejects.toEqual(refusal('MFA_CODE_INVALID'));
      expect(await owner.verify(next, owner.code(1))).toHaveProperty('accessToken');
      const refused = (await rowsOf('session.verify_mfa', owner.user.id)).filter(
        ({ outcome }) => outcome === 'refused',
      );
      expect(refused).toHaveLength(16);
      expect(refused[0]).toMatchObject({ reason: 'MFA_CODE_INVALID', actor_id: null });
    });

    it('takes each backup code once, and calls a used one no guess', async () => {
      const owner = await enrolledPerson(world);
      for (const backup of owner.backups) {
        const tokens = await owner.verify(await owner.challenge(), backup);
        expect(claimsOf(tokens.accessToken).amr).toEqual(['pwd', 'mfa']);
        await expect(owner.verify(await owner.challenge(), backup)).rejects.toEqual(
          refusal('MFA_CODE_INVALID'),
        );
      }
      expect(await owner.verify(await owner.challenge(), owner.code(1))).toHaveProperty('accessToken');
    });

    it('takes no code of another user', async () => {
      const [owner, other] = [await enrolledPerson(world), await enrolledPerson(world)];
      const mfaToken = await owner.challenge();
      const [backup = other.wrong()] = other.backups;
      for (const foreign of [other.code(1), backup])
        await expect(owner.verify(mfaToken, foreign)).rejects.toEqual(refusal('MFA_CODE_INVALID'));
      expect(await other.verify(await other.challenge(), backup)).toHaveProperty('accessToken');
    });

    it('keeps no code, secret or challenge in clear anywhere', async () => {
      const owner = await enrolledPerson(world);
      const mfaToken = await owner.challenge();
      await expect(owner.verify(mfaToken, owner.wrong())).rejects.toEqual(refusal('MFA_CODE_INVALID'));
      const tables = [
        'audit_events',
        'action_tokens',
        'totp_factors',
        'backup_codes',
        'outbox_mails',
      ] as const;
      const rows = await Promise.all(
        tables.map((table) => db.database.tables.selectFrom(table).selectAll().execute()),
      );
      const text = JSON.stringify(rows, (_key, value: unknown) =>
        value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
      );
      expect(text).toContain(owner.user.id);
      for (const hidden of [owner.secret, mfaToken, ...owner.backups.map(({ code }) => code)])
        expect(text).not.toContain(hidden);
    });
  });

  describe('a challenge', () => {
    it('is valid once, and for five minutes', async () => {
      const owner = await enrolledPerson(world);
      const [used, old] = [await owner.challenge(), await owner.challenge()];
      await owner.verify(used, owner.code(1));
      const [backup = owner.wrong()] = owner.backups;
      await expect(owner.verify(used, backup)).rejects.toEqual(refusal('TOKEN_INVALID'));
      world.clock.advance(5 * MINUTE_MS);
      await expect(owner.verify(old, backup)).rejects.toEqual(refusal('TOKEN_EXPIRED'));
      expect(await owner.verify(await owner.challenge(), backup)).toHaveProperty('accessToken');
    });

    it('is no other text', async () => {
      const owner = await enrolledPerson(world);
      const mfaToken = await owner.challenge();
      const texts = [
        '',
        'lkmf_',
        mfaToken.slice(0, -1),
        `${mfaToken}=`,
        mfaToken.toUpperCase(),
        `${mfaToken}A`,
      ];
      for (const purpose of ['password_reset', 'email_verification', 'mfa_challenge'] as const)
        texts.push(world.actionTokenCodec.create(purpose, world.newId()).text);
      texts.push(mfaToken.replace('lkmf_', 'lkpr_'));
      for (const text of texts)
        await expect(owner.verify(text, owner.code(1))).rejects.toEqual(refusal('TOKEN_INVALID'));
      expect(await owner.verify(mfaToken, owner.code(1))).toHaveProperty('accessToken');
    });

    it('dies with what a changed password deletes', async () => {
      const owner = await enrolledPerson(world);
      const mfaToken = await owner.challenge();
      await world.actionTokens.deleteAll(owner.user.id, ['mfa_challenge']);
      await expect(owner.verify(mfaToken, owner.code(1))).rejects.toEqual(refusal('TOKEN_INVALID'));
    });

    it('is of no use to an account that is suspended or deleted', async () => {
      const owner = await enrolledPerson(world);
      const mfaToken = await owner.challenge();
      await setStatus(owner.user.id, 'suspended');
      await expect(owner.verify(mfaToken, owner.code(1))).rejects.toEqual(refusal('ACCOUNT_SUSPENDED'));
      await setStatus(owner.user.id, 'deleted');
      await expect(owner.verify(mfaToken, owner.code(1))).rejects.toEqual(refusal('TOKEN_INVALID'));
      await setStatus(owner.user.id, 'active');
      expect(await owner.verify(mfaToken, owner.code(1))).toHaveProperty('accessToken');
    });

    it('meets a suspension that comes between the look and the act', async () => {
      const owner = await enrolledPerson(world);
      const mfaToken = await owner.challenge();
      const slow = {
        ...world,
        totpFactors: {
          ...world.totpFactors,
          find: async (userId: string) => {
            await setStatus(userId, 'suspended');
            return world.totpFactors.find(userId);
          },
        },
      };
      const factor = owner.code(1);
      await expect(
        verifyMfa(slow, { mfaToken, factor, mayUseCookie: false, origin: ORIGIN }),
      ).rejects.toEqual(refusal('ACCOUNT_SUSPENDED'));
      await setStatus(owner.user.id, 'active');
      expect(await owner.verify(mfaToken, factor)).toHaveProperty('accessToken');
    });
  });

  describe('lockout', () => {
    it('follows the right password and five wrong codes, and blocks password and codes for every identifier', async () => {
      const owner = await enrolledPerson(world);
      const spare = await owner.challenge();
      for (let guess = 0; guess < LOCKOUT_RULE.maxFailures; guess += 1)
        await expect(owner.verify(await owner.challenge(), owner.wrong())).rejects.toEqual(
          refusal('MFA_CODE_INVALID'),
        );
      const { email, username } = owner.user;
      for (const identifier of [email.key, email.text, username?.text ?? ''])
        await expect(owner.tryLogin('right', identifier)).rejects.toEqual(refusal('ACCOUNT_LOCKED'));
      const [backup = owner.wrong()] = owner.backups;
      for (const factor of [owner.code(1), backup, owner.wrong()])
        await expect(owner.verify(spare, factor)).rejects.toEqual(refusal('ACCOUNT_LOCKED'));
      expect(await emailsTo(email.text)).toEqual(['mfa_enabled', 'account_locked']);
      world.clock.advance(LOCKOUT_RULE.lockMs);
      expect(await owner.verify(await owner.challenge(), backup)).toHaveProperty('accessToken');
    });

    it('counts wrong codes of either kind together', async () => {
      const owner = await enrolledPerson(world);
      const mfaToken = await owner.challenge();
      const absent: TypedFactor = { kind: 'backup_code', code: '0000000000' };
      for (const factor of [owner.wrong(), absent, owner.wrong(), absent, owner.wrong()])
        await expect(owner.verify(mfaToken, factor)).rejects.toEqual(refusal('MFA_CODE_INVALID'));
      await expect(owner.verify(mfaToken, owner.code(1))).rejects.toEqual(refusal('ACCOUNT_LOCKED'));
    });

    it('that unknown devices cause by wrong passwords does not stop a login with the right one', async () => {
      const owner = await enrolledPerson(world);
      const mfaToken = await owner.challenge();
      for (let guess = 0; guess < LOCKOUT_RULE.maxFailures; guess += 1)
        await expect(owner.tryLogin('wrong')).rejects.toEqual(refusal('INVALID_CREDENTIALS'));
      expect(await owner.verify(mfaToken, owner.code(1))).toHaveProperty('accessToken');
      // And it stays for them.
      await expect(owner.tryLogin()).rejects.toEqual(refusal('ACCOUNT_LOCKED'));
    });

    it('counts the passwords before a login with both factors no more after it', async () => {
      const owner = await enrolledPerson(world);
      for (let round = 1; round <= 3; round += 1) {
        for (let guess = 1; guess < LOCKOUT_RULE.maxFailures; guess += 1)
          await expect(owner.tryLogin('wrong')).rejects.toEqual(refusal('INVALID_CREDENTIALS'));
        world.clock.advance(STEP_MS);
        await owner.verify(await owner.challenge(), owner.code());
      }
    });

    it('begins anew after a login with both factors', async () => {
      const owner = await enrolledPerson(world);
      for (const steps of [1, 2, 3]) {
        const mfaToken = await owner.challenge();
        for (let guess = 1; guess < LOCKOUT_RULE.maxFailures; guess += 1)
          await expect(owner.verify(mfaToken, owner.wrong())).rejects.toEqual(refusal('MFA_CODE_INVALID'));
        world.clock.set(NOW + steps * STEP_MS);
        await owner.verify(mfaToken, owner.code());
      }
    });

    it('that comes between the look and the act uses up neither code nor challenge', async () => {
      const owner = await enrolledPerson(world);
      const mfaToken = await owner.challenge();
      const [backup = owner.wrong()] = owner.backups;
      const slow = {
        ...world,
        totpFactors: {
          ...world.totpFactors,
          findBackupCode: async (userId: string, digest: Uint8Array) => {
            for (let count = 0; count < LOCKOUT_RULE.maxFailures; count += 1)
              await world.lockouts.count(`user:${userId}`, NOW, { ...LOCKOUT_RULE, lockMs: MINUTE_MS });
            return world.totpFactors.findBackupCode(userId, digest);
          },
        },
      };
      await expect(
        verifyMfa(slow, { mfaToken, factor: backup, mayUseCookie: false, origin: ORIGIN }),
      ).rejects.toEqual(refusal('ACCOUNT_LOCKED'));
      world.clock.advance(MINUTE_MS);
      expect(await owner.verify(mfaToken, backup)).toHaveProperty('accessToken');
    });
  });

  describe('turning it off', () => {
    it('goes back to the password alone, and deletes secret, codes and challenges', async () => {
      const owner = await enrolledPerson(world);
      const { user, sessionId } = owner;
      const input = { userId: user.id, sessionId, proof: PASSWORD_PROOF, origin: ORIGIN };
      const [mfaToken, other] = [
        await owner.challenge(),
        await owner.verify(await owner.challenge(), owner.code(1)),
      ];
      await disableTotp(world, input);
      await expect(owner.verify(mfaToken, owner.code(1))).rejects.toEqual(refusal('TOKEN_INVALID'));
      expect(claimsOf((await owner.logIn()).accessToken).amr).toEqual(['pwd']);
      expect(await refreshWith(other.refreshToken)).toHaveProperty('accessToken');
      await expect(disableTotp(world, input)).rejects.toEqual(refusal('MFA_NOT_ENABLED'));
      expect(await rowsOf('mfa.disable', user.id)).toMatchObject([{ outcome: 'success', actor_id: user.id }]);
      expect(await emailsTo(user.email.text)).toContain('mfa_disabled');

      const { secret } = await owner.enroll();
      expect(secret).not.toBe(owner.secret);
      await owner.confirm(sessionId, codeAt(secret));
      const [backup = owner.wrong()] = owner.backups;
      for (const factor of [backup, owner.code(1)])
        await expect(owner.verify(await owner.challenge(), factor)).rejects.toEqual(
          refusal('MFA_CODE_INVALID'),
        );
    });
  });

  describe('new backup codes', () => {
    it('replace the old ones, used or not', async () => {
      const owner = await enrolledPerson(world);
      const { sessionId } = owner;
      const input = { userId: owner.user.id, sessionId, proof: PASSWORD_PROOF, origin: ORIGIN };
      const [used = owner.wrong(), unused = owner.wrong()] = owner.backups;
      await owner.verify(await owner.challenge(), used);
      const fresh = await regenerateBackupCodes(world, input);
      expect(
        new Set([...fresh.map((text) => text.replace('-', '')), ...owner.backups.map(({ code }) => code)])
          .size,
      ).toBe(20);
      for (const factor of [used, unused])
        await expect(owner.verify(await owner.challenge(), factor)).rejects.toEqual(
          refusal('MFA_CODE_INVALID'),
        );
      const factor: TypedFactor = { kind: 'backup_code', code: (fresh[9] ?? '').replace('-', '') };
      expect(await owner.verify(await owner.challenge(), factor)).toEqual(anything);
      expect(await rowsOf('mfa.backup_codes', owner.user.id)).toHaveLength(1);
    });

    it('are nothing without a second factor, nor with one that waits', async () => {
      const owner = await person(world);
      const sessionId = newId();
      const input = { userId: owner.user.id, sessionId, proof: PASSWORD_PROOF, origin: ORIGIN };
      await expect(regenerateBackupCodes(world, input)).rejects.toEqual(refusal('MFA_NOT_ENABLED'));
      await owner.enroll();
      await expect(regenerateBackupCodes(world, input)).rejects.toEqual(refusal('MFA_NOT_ENABLED'));
      await expect(disableTotp(world, input)).rejects.toEqual(refusal('MFA_NOT_ENABLED'));
    });
  });
});
