// Whether a person with a thousand sessions logs in, refreshes and logs out everywhere as fast as one with a single session.

import { bearer } from '../../support/service.ts';
import { timed } from '../load.ts';
import { withNode } from '../node-under-load.ts';
import { logIn, register } from '../people.ts';
import type { Metric } from '../report.ts';
import { median } from '../report.ts';

const SESSIONS = 1_000;
const ROUNDS = 300;
const LOGOUT_ROUNDS = 15;

export function benchSessions(): Promise<Metric[]> {
  return withNode({}, async (node) => {
    const { auth } = node;
    const registered = async (name: string) => {
      const email = `${name}@example.com`;
      await register(auth, email);
      return email;
    };
    const login = (identifier: string) => logIn(auth, identifier);
    const open = async (identifier: string, count: number) => {
      for (let session = 0; session < count; session += 1) await login(identifier);
    };
    const many = await registered('many');
    await open(many, SESSIONS);
    // A single session each time: everybody logs in once.
    const fresh = await Promise.all(
      Array.from({ length: ROUNDS }, (_, index) => registered(`fresh${index}`)),
    );

    const times = {
      loginOne: [] as number[],
      loginMany: [] as number[],
      refreshOne: [] as number[],
      refreshMany: [] as number[],
    };
    for (const [round, one] of fresh.entries()) {
      const first = await timed(() => login(one));
      const another = await timed(() => login(many));
      const refreshedFirst = await timed(() =>
        auth.refreshToken({ refreshToken: first.result.refreshToken }),
      );
      const refreshedOther = await timed(() =>
        auth.refreshToken({ refreshToken: another.result.refreshToken }),
      );
      if (round < ROUNDS / 10) continue;
      times.loginOne.push(first.ms);
      times.loginMany.push(another.ms);
      times.refreshOne.push(refreshedFirst.ms);
      times.refreshMany.push(refreshedOther.ms);
    }
    const logout = async (identifier: string, count: number) => {
      await open(identifier, count - 1);
      const { accessToken } = await login(identifier);
      return (await timed(() => auth.logoutAll({}, bearer(accessToken)))).ms;
    };
    const logoutOne: number[] = [];
    const logoutMany: number[] = [];
    for (let round = 0; round < LOGOUT_ROUNDS; round += 1) {
      logoutMany.push(await logout(many, SESSIONS));
      logoutOne.push(await logout(fresh[round] ?? '', 1));
    }
    const logins = median(times.loginMany) / median(times.loginOne);
    const refreshes = median(times.refreshMany) / median(times.refreshOne);
    const logouts = median(logoutMany) / median(logoutOne);
    return [
      { name: 'sessions-1000', value: Math.max(logins, refreshes), unit: 'ratio', goal: '≤ 1.2' },
      { name: 'sessions-1000-login', value: logins, unit: 'ratio', goal: '' },
      { name: 'sessions-1000-refresh', value: refreshes, unit: 'ratio', goal: '' },
      { name: 'sessions-1000-logout-all', value: logouts, unit: 'ratio', goal: '≤ 1.2' },
    ];
  });
}
