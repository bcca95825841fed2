// GetStats over every protocol: what is counted as what, of which hours and days, and what may not be asked.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GetStatsRequestSchema } from '../../gen/latchkey/v1/admin_service_pb.ts';
import type { ActivityCount } from '../../gen/latchkey/v1/stats_pb.ts';
import { StatsInterval } from '../../gen/latchkey/v1/stats_pb.ts';
import { UserStatus } from '../../gen/latchkey/v1/user_pb.ts';
import { keepStats } from '../../src/jobs/stats-keeper.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { member, type Member } from '../support/members.ts';
import { byPassword } from '../support/proofs.ts';
import { endingOf, refusalOf } from '../support/rpc-calls.ts';
import { DAY_MS, MINUTE_MS } from '../support/samples.ts';
import {
  bearer,
  GOOD_PASSWORD,
  PROTOCOLS,
  signIn,
  signUp,
  startTestService,
  type Protocol,
  type TestService,
} from '../support/service.ts';
import { challengeOf, enrolTotp, wrongCode } from '../support/totp.ts';

const HOUR_MS = 3_600_000;
const WRONG = { password: 'Wrong-Horse-42-Staple!' };

// Half an hour past, so that nothing here crosses into the next hour by itself.
const START = Math.floor(Date.now() / DAY_MS) * DAY_MS + 0.5 * HOUR_MS;
const clock = new FakeClock(START);
let service: TestService;
let admin: Member;

beforeAll(async () => {
  service = await startTestService({ clock });
  admin = await member(service, 'admin-1', 'admin');
});
afterAll(() => service.stop());

const ask = async (
  request: MessageInitShape<typeof GetStatsRequestSchema> = {},
  protocol: Protocol = 'grpc',
) => {
  const { stats } = await service.admin(protocol).getStats(request, admin.options);
  if (stats === undefined) throw new Error('GetStats answered no stats');
  return stats;
};
const numbers = ({ registrations, logins, failures, lockouts }: ActivityCount) =>
  [registrations, logins, failures, lockouts].map(Number);
const lastHour = async () => numbers((await ask()).activity.at(-1)!);
const refused = (call: Promise<unknown>) => endingOf(call);

/** Moves time on, waits until the node knows again what is revoked, and logs the administrator in again. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await eventually(() => service.app.revocationIndex.isFresh());
  const { accessToken } = await signIn(service, admin.email);
  admin = { ...admin, options: bearer(accessToken) };
}

describe('what happened', () => {
  it('is counted in its hour: what is new since, and nothing else', async () => {
    const before = await lastHour();
    const { accessToken } = await signUp(service, 'counted');
    // Taken already: nothing is opened.
    await service
      .auth()
      .register({ email: 'counted@example.com', password: GOOD_PASSWORD, fullName: 'Again' });
    await refused(service.auth().login({ identifier: 'counted', ...WRONG }));
    await refused(service.auth().login({ identifier: 'nobody', ...WRONG }));
    const { secret } = await enrolTotp(service, accessToken);
    // The password alone opens nothing.
    const mfaToken = await challengeOf(service, 'counted');
    const factor = (value: string) => ({ case: 'totpCode', value }) as const;
    await refused(service.auth().verifyMfa({ mfaToken, factor: factor(wrongCode(secret, clock.now())) }));
    const after = await lastHour();
    expect(after.map((count, index) => count - before[index]!)).toEqual([1, 1, 3, 0]);
  });

  it('counts a login with a second factor once, and a lock', async () => {
    const { accessToken } = await signUp(service, 'second');
    const { code } = await enrolTotp(service, accessToken);
    const before = await lastHour();
    const mfaToken = await challengeOf(service, 'second');
    await service.auth().verifyMfa({ mfaToken, factor: { case: 'totpCode', value: code(1) } });
    // The sixth finds the account locked already.
    for (let attempt = 0; attempt < 6; attempt += 1)
      await refused(service.auth().login({ identifier: 'second', ...WRONG }));
    const after = await lastHour();
    expect(after.map((count, index) => count - before[index]!)).toEqual([0, 1, 6, 1]);
  });

  it('stands in whole hours and days in a row, zeros too, and days are the sum of their hours', async () => {
    await pass(2 * HOUR_MS);
    await signUp(service, 'later');
    await pass(30 * HOUR_MS);
    const [startTime, endTime] = [timestampFromMs(START), timestampFromMs(clock.now())];
    const hours = await ask({ interval: StatsInterval.HOUR, startTime, endTime });
    const days = await ask({ interval: StatsInterval.DAY, startTime, endTime });
    const starts = ({ activity }: typeof hours) => activity.map((count) => timestampMs(count.startTime!));
    const firstHour = Math.floor(START / HOUR_MS) * HOUR_MS;
    expect(starts(hours)).toEqual(Array.from({ length: 33 }, (_, index) => firstHour + index * HOUR_MS));
    expect(starts(days)).toEqual([0, 1].map((index) => Math.floor(START / DAY_MS) * DAY_MS + index * DAY_MS));
    expect(numbers(hours.activity[1]!)).toEqual([0, 0, 0, 0]);
    expect(numbers(hours.activity[2]!)).toEqual([1, 2, 0, 0]);
    for (const [index, day] of days.activity.entries()) {
      const start = timestampMs(day.startTime!);
      const ofDay = hours.activity.filter((hour) => {
        const time = timestampMs(hour.startTime!);
        return time >= start && time < start + DAY_MS;
      });
      const sums = [0, 1, 2, 3].map((column) =>
        ofDay.reduce((total, hour) => total + numbers(hour)[column]!, 0),
      );
      expect([index, ...numbers(day)]).toEqual([index, ...sums]);
    }
  });

  it('is a day of hours, or 30 days and today, when nothing is asked', async () => {
    expect((await ask()).activity).toHaveLength(25);
    expect((await ask({ interval: StatsInterval.DAY })).activity).toHaveLength(31);
  });

  it('covers 744 hours and 366 days at once', async () => {
    const reaching = async (interval: StatsInterval, ms: number) =>
      (await ask({ interval, startTime: timestampFromMs(clock.now() - ms) })).activity.length;
    expect(await reaching(StatsInterval.HOUR, 743 * HOUR_MS)).toBe(744);
    expect(await reaching(StatsInterval.DAY, 365 * DAY_MS)).toBe(366);
  });
});

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('accounts are counted by role, status, second factor and verified address', async () => {
    const before = await ask({}, protocol);
    const moderator = await member(service, `moderator-${protocol}`, 'moderator');
    await enrolTotp(service, moderator.accessToken);
    const gone = await signUp(service, `gone-${protocol}`);
    await service.user(protocol).deleteMe(byPassword(), bearer(gone.accessToken));
    await signUp(service, `verified-${protocol}`);
    await sql`update users set email_verified = true, status = 'suspended' where username_key = ${`verified-${protocol}`}`.execute(
      service.app.database.tables,
    );
    const after = await ask({}, protocol);
    const role = (stats: typeof after, name: string) =>
      Number(stats.usersByRole.find((count) => count.role === name)?.users ?? 0n);
    const status = (stats: typeof after, wanted: UserStatus) =>
      Number(stats.usersByStatus.find((count) => count.status === wanted)?.users);
    expect(Number(after.totalUsers - before.totalUsers)).toBe(2);
    expect(Number(after.mfaUsers - before.mfaUsers)).toBe(1);
    expect(Number(after.verifiedUsers - before.verifiedUsers)).toBe(1);
    expect(role(after, 'moderator') - role(before, 'moderator')).toBe(1);
    expect(role(after, 'user') - role(before, 'user')).toBe(1);
    expect(
      [UserStatus.ACTIVE, UserStatus.SUSPENDED, UserStatus.DELETED].map(
        (each) => status(after, each) - status(before, each),
      ),
    ).toEqual([1, 1, 1]);
    expect(after.usersByRole.map((count) => count.role)).toEqual(
      after.usersByRole.map((count) => count.role).toSorted(),
    );
    expect(after.usersByRole.reduce((sum, { users }) => sum + users, 0n)).toBe(after.totalUsers);
  });

  it('a period that makes no sense is refused by its field', async () => {
    const at = timestampFromMs;
    const now = clock.now();
    const cases: ReadonlyArray<readonly [MessageInitShape<typeof GetStatsRequestSchema>, string[]]> = [
      [{ interval: 99 as StatsInterval }, ['interval']],
      [{ interval: -1 as StatsInterval }, ['interval']],
      [{ startTime: at(now), endTime: at(now - 1) }, ['start_time']],
      [{ startTime: at(now + 1) }, ['start_time']],
      [{ endTime: at(now + 2 * DAY_MS) }, ['end_time']],
      [{ startTime: at(now - 744 * HOUR_MS) }, ['start_time']],
      [{ interval: StatsInterval.DAY, startTime: at(now - 366 * DAY_MS) }, ['start_time']],
      [{ startTime: { seconds: -62_135_596_800n, nanos: 0 } }, ['start_time']],
      [{ endTime: { seconds: -1n, nanos: 0 } }, ['end_time']],
    ];
    for (const [request, fields] of cases)
      expect(await refusalOf(ask(request, protocol))).toMatchObject({
        code: 'InvalidArgument',
        reason: 'VALIDATION_FAILED',
        fields,
      });
  });

  it('statistics are for those who may see them', async () => {
    const moderator = await member(service, `curious-${protocol}`, 'moderator');
    const asked = service.admin(protocol).getStats({}, moderator.options);
    expect(await refusalOf(asked)).toMatchObject({ reason: 'INSUFFICIENT_SCOPE' });
  });
});

it('times that no clock shows are refused by their fields', async () => {
  const startTime = { seconds: 9_223_372_036_854_775_807n, nanos: 0 };
  const endTime = { seconds: 0n, nanos: -1 };
  expect(await refusalOf(ask({ startTime, endTime }))).toMatchObject({ fields: ['start_time', 'end_time'] });
});

describe('sessions', () => {
  const keep = () => keepStats(service.app, new AbortController().signal);
  const deleteCensus = () => sql`delete from session_census`.execute(service.app.database.tables);
  const countAnew = async () => {
    await deleteCensus();
    await keep();
    return Number((await ask()).activeSessions);
  };

  it('are counted at once when they never were, and then by the job', async () => {
    await deleteCensus();
    const first = await ask();
    expect(timestampMs(first.activeSessionsTime!)).toBe(clock.now());
    await signUp(service, 'one-more');
    clock.advance(1);
    // Not due.
    await keep();
    expect(await ask()).toMatchObject({
      activeSessions: first.activeSessions,
      activeSessionsTime: first.activeSessionsTime!,
    });
    clock.advance(2 * MINUTE_MS);
    await eventually(() => service.app.revocationIndex.isFresh());
    await keep();
    const next = await ask();
    expect(Number(next.activeSessions - first.activeSessions)).toBe(1);
    expect(timestampMs(next.activeSessionsTime!)).toBe(clock.now());
  });

  it('are counted while they live: not ended, not expired, the owner there', async () => {
    await sql`delete from sessions`.execute(service.app.database.tables);
    await signIn(service, admin.email);
    const lives = await signUp(service, 'lives');
    const out = await signUp(service, 'logged-out');
    await service.auth().logout({}, bearer(out.accessToken));
    const everywhere = await signUp(service, 'out-everywhere');
    await service.auth().logoutAll({}, bearer(everywhere.accessToken));
    await signUp(service, 'barred');
    await sql`update users set status = 'suspended' where username_key = 'barred'`.execute(
      service.app.database.tables,
    );
    await pass(6 * DAY_MS);
    await service.auth().refreshToken({ refreshToken: lives.refreshToken });
    // The administrator's two, and the one that lives.
    expect(await countAnew()).toBe(3);
    await pass(2 * DAY_MS);
    // The administrator's first was not refreshed for a week, and there is a third.
    expect(await countAnew()).toBe(3);
    await pass(30 * DAY_MS);
    expect(await countAnew()).toBe(1);
  });
});
