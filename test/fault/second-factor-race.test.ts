// Codes, challenges and enrolments used many times at once, on every database.

import { beforeAll, beforeEach, expect, it } from 'vitest';
import { disableTotp } from '../../src/domain/mfa/disable-totp.ts';
import { regenerateBackupCodes } from '../../src/domain/mfa/regenerate-backup-codes.ts';
import { refresh } from '../../src/domain/session/refresh.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { refusal } from '../support/matchers.ts';
import {
  enrolledPerson,
  mfaWorld,
  PASSWORD_PROOF,
  person,
  tally,
  type MfaWorld,
} from '../support/mfa-world.ts';
import { LOCKOUT_RULE, NOW, ORIGIN } from '../support/samples.ts';
import { STEP_MS, totpCode } from '../support/totp.ts';

const CALLS = 50;

describeOnEveryDatabase('The second factor', (open) => {
  let db: TestStores;
  let world: MfaWorld;
  beforeAll(async () => {
    db = await open();
  });
  beforeEach(() => {
    world = mfaWorld(db);
  });
  const times = <Value>(make: (index: number) => Value) => Array.from({ length: CALLS }, (_, n) => make(n));
  const lockedUntil = async (userId: string) => {
    const key = `user:${userId}`;
    return (await world.lockouts.findLocks([key], world.clock.now())).get(key);
  };
  const failuresOf = async (userId: string) => {
    const rows = db.database.tables.selectFrom('lockouts').select('failures');
    return (await rows.where('key', '=', `user:${userId}`).executeTakeFirst())?.failures ?? 0;
  };
  const sessionsOf = async (userId: string) => {
    const rows = db.database.tables.selectFrom('sessions').select('amr').where('user_id', '=', userId);
    return (await rows.execute()).filter(({ amr }) => amr.includes('mfa')).length;
  };

  it('is turned on once by 50 calls with one code', async () => {
    const owner = await person(world);
    const { sessionId } = await owner.logIn();
    const { secret } = await owner.enroll();
    const code = totpCode(secret, NOW);
    expect(await tally(times(() => owner.confirm(sessionId, code)))).toEqual({
      OK: 1,
      MFA_ALREADY_ENABLED: CALLS - 1,
    });
    const codes = await db.database.tables
      .selectFrom('backup_codes')
      .selectAll()
      .where('user_id', '=', owner.user.id)
      .execute();
    expect(codes).toHaveLength(10);
    expect(await failuresOf(owner.user.id)).toBe(0);
  });

  it('takes one code once, on one challenge', async () => {
    const owner = await enrolledPerson(world);
    const mfaToken = await owner.challenge();
    const counts = await tally(times(() => owner.verify(mfaToken, owner.code(1))));
    expect(counts['OK']).toBe(1);
    expect((counts['TOKEN_INVALID'] ?? 0) + (counts['MFA_CODE_INVALID'] ?? 0)).toBe(CALLS - 1);
    expect(await failuresOf(owner.user.id)).toBe(0);
  });

  it.each(['totp', 'backup'] as const)('takes one %s code once, on 50 challenges', async (kind) => {
    const owner = await enrolledPerson(world);
    const challenges = await Promise.all(times(() => owner.challenge()));
    const [backup = owner.wrong()] = owner.backups;
    const factor = kind === 'totp' ? owner.code(1) : backup;
    expect(await tally(challenges.map((mfaToken) => owner.verify(mfaToken, factor)))).toEqual({
      OK: 1,
      MFA_CODE_INVALID: CALLS - 1,
    });
    // Also those that come after all that.
    const late = await Promise.all(times(() => owner.challenge()));
    expect(await tally(late.map((mfaToken) => owner.verify(mfaToken, factor)))).toEqual({
      MFA_CODE_INVALID: CALLS,
    });
    expect(await failuresOf(owner.user.id)).toBe(0);
    expect(await lockedUntil(owner.user.id)).toBeUndefined();
    expect(await sessionsOf(owner.user.id)).toBe(2);
  });

  it('takes ten backup codes at once, each once', async () => {
    const owner = await enrolledPerson(world);
    const calls = owner.backups.flatMap((backup) => [backup, backup, backup]);
    const challenges = await Promise.all(calls.map(() => owner.challenge()));
    const tries = calls.map((backup, index) => owner.verify(challenges[index] ?? '', backup));
    expect(await tally(tries)).toEqual({ OK: 10, MFA_CODE_INVALID: 20 });
  });

  it('lets 50 wrong codes at once be five guesses', async () => {
    const owner = await enrolledPerson(world);
    const challenges = await Promise.all(times(() => owner.challenge()));
    expect(await tally(challenges.map((mfaToken) => owner.verify(mfaToken, owner.wrong())))).toEqual({
      MFA_CODE_INVALID: LOCKOUT_RULE.maxFailures,
      ACCOUNT_LOCKED: CALLS - LOCKOUT_RULE.maxFailures,
    });
    expect(await lockedUntil(owner.user.id)).toBe(NOW + LOCKOUT_RULE.lockMs);
  });

  it('meets a lock that a transaction is about to commit', async () => {
    const owner = await enrolledPerson(world);
    const mfaToken = await owner.challenge();
    const key = `user:${owner.user.id}`;
    const fail = (lockouts: typeof world.lockouts) => lockouts.count(key, NOW, LOCKOUT_RULE);
    for (let failure = 1; failure < LOCKOUT_RULE.maxFailures; failure += 1) await fail(world.lockouts);
    const { counts } = await world.transact(async ({ lockouts, users }) => {
      await fail(lockouts);
      const counts = tally([owner.verify(mfaToken, owner.code(1))]);
      // Round trips enough for a call that waits for nobody.
      for (let trip = 0; trip < 100; trip += 1) await users.findById(owner.user.id);
      return { counts };
    });
    expect(await counts).toEqual({ ACCOUNT_LOCKED: 1 });
    expect(await sessionsOf(owner.user.id)).toBe(1);
  });

  it('opens no session when the right one among many guesses comes after the lock', async () => {
    for (let round = 0; round < 5; round += 1) {
      const owner = await enrolledPerson(world);
      const [backup = owner.wrong()] = owner.backups;
      const challenges = await Promise.all(times(() => owner.challenge()));
      const right = 25;
      const counts = await tally(
        challenges.map((mfaToken, index) => owner.verify(mfaToken, index === right ? backup : owner.wrong())),
      );
      const isOpened = counts['OK'] === 1;
      expect(await sessionsOf(owner.user.id)).toBe(isOpened ? 2 : 1);
      world.clock.advance(LOCKOUT_RULE.lockMs);
      // What the lock refused was not used up by it.
      const again = owner.verify(await owner.challenge(), backup);
      if (isOpened) await expect(again).rejects.toEqual(refusal('MFA_CODE_INVALID'));
      else expect(await again).toHaveProperty('accessToken');
    }
  });

  it('is off or open, never half, when it is turned off while codes are used', async () => {
    for (let round = 0; round < 5; round += 1) {
      const owner = await enrolledPerson(world);
      const mfaToken = await owner.challenge();
      const userId = owner.user.id;
      const [verified] = await Promise.allSettled([
        owner.verify(mfaToken, owner.code(1)),
        disableTotp(world, {
          userId,
          sessionId: owner.sessionId,
          proof: PASSWORD_PROOF,
          origin: ORIGIN,
        }),
      ]);
      if (verified.status === 'rejected')
        expect(['TOKEN_INVALID', 'MFA_CODE_INVALID']).toContain(
          (verified.reason as { readonly reason: string }).reason,
        );
      expect(await world.users.findById(userId)).toMatchObject({ mfaEnabled: false });
      expect(await world.totpFactors.find(userId)).toBeUndefined();
      expect(await owner.logIn()).toHaveProperty('accessToken');
    }
  });

  it('leaves ten backup codes after any number of regenerations at once', async () => {
    const owner = await enrolledPerson(world);
    const sets = await Promise.all(
      times(() =>
        regenerateBackupCodes(world, {
          userId: owner.user.id,
          sessionId: owner.sessionId,
          proof: PASSWORD_PROOF,
          origin: ORIGIN,
        }),
      ),
    );
    const states = await Promise.all(
      sets.map(async (codes) => {
        const found = await Promise.all(
          codes.map((text) =>
            world.totpFactors.findBackupCode(
              owner.user.id,
              world.backupCodes.digest(owner.user.id, text.replace('-', '')),
            ),
          ),
        );
        return found.filter((state) => state === 'unused').length;
      }),
    );
    expect(states.toSorted((a, b) => b - a)).toEqual([10, ...Array.from({ length: CALLS - 1 }, () => 0)]);
  });

  it('keeps the one secret that is confirmed, however many enrolments begin concurrently', async () => {
    for (let round = 0; round < 5; round += 1) {
      const owner = await person(world);
      const { sessionId } = await owner.logIn();
      const { secret } = await owner.enroll();
      const [confirmed] = await Promise.allSettled([
        owner.confirm(sessionId, totpCode(secret, world.clock.now())),
        ...times(() => owner.enroll()),
      ]);
      const factor = await world.totpFactors.find(owner.user.id);
      const kept = world.totpSecrets.unseal(owner.user.id, factor?.sealedSecret ?? new Uint8Array());
      const user = await world.users.findById(owner.user.id);
      expect(user?.mfaEnabled).toBe(confirmed.status === 'fulfilled');
      expect(kept === secret).toBe(confirmed.status === 'fulfilled');
      expect(factor?.confirmTime === undefined).toBe(confirmed.status === 'rejected');
    }
  });

  it('lets no login of the password alone outlive the moment it is turned on', async () => {
    for (let round = 0; round < 5; round += 1) {
      const owner = await person(world);
      const { sessionId } = await owner.logIn();
      const before = await owner.logIn();
      const { secret } = await owner.enroll();
      const code = totpCode(secret, world.clock.now());
      const [, ...racing] = await Promise.all([
        owner.confirm(sessionId, code),
        ...Array.from({ length: 10 }, () => owner.tryLogin()),
      ]);
      const tokens = racing.flatMap((outcome) => ('tokens' in outcome ? [outcome.tokens] : []));
      for (const { refreshToken, sessionId: sid } of [before, ...tokens]) {
        await expect(refresh(world, { refreshToken, scopes: [], origin: ORIGIN })).rejects.toEqual(
          refusal('TOKEN_REVOKED'),
        );
        expect(world.revocationIndex.isSessionRevoked(sid)).toBe(true);
      }
      world.clock.advance(STEP_MS);
    }
  });

  it('carries the calling session over while it is being refreshed', async () => {
    for (let round = 0; round < 10; round += 1) {
      const owner = await person(world);
      const { sessionId, refreshToken } = await owner.logIn();
      const { secret } = await owner.enroll();
      const [, refreshed] = await Promise.all([
        owner.confirm(sessionId, totpCode(secret, world.clock.now())),
        refresh(world, { refreshToken, scopes: [], origin: ORIGIN }),
      ]);
      const next = await refresh(world, { ...refreshed, scopes: [], origin: ORIGIN });
      expect(JSON.parse(next.accessToken)).toMatchObject({ sessionId, amr: ['pwd', 'otp', 'mfa'] });
    }
  });
});
