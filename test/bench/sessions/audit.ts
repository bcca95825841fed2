// What the audit log costs a login: its transaction with the event against the same transaction without, in turns, on one durable Postgres.

import { randomBytes } from 'node:crypto';
import { actionTokenCodec } from '../../../src/crypto/tokens/action-token-codec.ts';
import { newId } from '../../../src/crypto/ids.ts';
import type { User } from '../../../src/domain/account/user.ts';
import type { LoginStores } from '../../../src/domain/session/login.ts';
import { sharedCounter } from '../../../src/domain/lockout/failure-counter.ts';
import { openLogin } from '../../../src/domain/session/login.ts';
import type { Session } from '../../../src/domain/session/session.ts';
import type { Transact } from '../../../src/domain/transactions.ts';
import { openDatabase } from '../../../src/storage/postgres/connection.ts';
import type { Stores } from '../../../src/storage/postgres/stores.ts';
import { openStores, openTransactions } from '../../../src/storage/postgres/stores.ts';
import { startPrivatePostgres } from '../../support/private-postgres.ts';
import { DAY_MS, ORIGIN } from '../../support/samples.ts';
import { insertAccounts, withDatabase } from '../accounts.ts';
import { inParallel } from '../load.ts';
import type { Metric } from '../report.ts';
import { median } from '../report.ts';

const ACCOUNTS = 2_000;
const LOGINS = 500;
const CONCURRENCY = 16;
const ROUNDS = 40;
const WARM_UP_ROUNDS = 6;
const PASSWORD_HASH = '$argon2id$bench';

const POLICY = {
  audience: 'bench',
  accessTokenTtlMs: 900_000,
  refreshTokenTtlMs: 7 * DAY_MS,
  sessionMaxAgeMs: 30 * DAY_MS,
  refreshGraceMs: 10_000,
};

export async function benchAudit(): Promise<Metric[]> {
  const postgres = await startPrivatePostgres({ durable: true });
  const database = await openDatabase({
    url: postgres.url,
    poolSize: CONCURRENCY,
    statementTimeoutMs: 30_000,
  });
  try {
    await database.migrate();
    await withDatabase(postgres.url, (client) =>
      insertAccounts(client, { prefix: 'bench', count: ACCOUNTS, passwordHash: PASSWORD_HASH }),
    );
    const users = await accounts(openStores(database));
    const audited = openTransactions(database.tables);
    const unaudited: Transact<Stores> = (work) =>
      audited((stores) => {
        const insert = (session: Session) => stores.sessions.insert(session);
        return work({ ...stores, sessions: { ...stores.sessions, insert } });
      });
    const rates: Record<'audited' | 'unaudited', number[]> = { audited: [], unaudited: [] };
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      // Whoever comes second finds the pages that the first has left.
      const order =
        round % 2 === 0 ? (['audited', 'unaudited'] as const) : (['unaudited', 'audited'] as const);
      for (const name of order) {
        const rate = await loginRate(name === 'audited' ? audited : unaudited, users);
        if (round >= 0) rates[name].push(rate);
      }
    }
    const ratios = rates.audited.map((rate, round) => rate / (rates.unaudited[round] ?? Number.NaN));
    return [
      { name: 'audit-cost', value: median(ratios), unit: 'ratio', goal: '≥ 0.90' },
      { name: 'audited-logins', value: median(rates.audited), unit: 'logins/s', goal: '' },
      { name: 'unaudited-logins', value: median(rates.unaudited), unit: 'logins/s', goal: '' },
    ];
  } finally {
    await database.close();
    await postgres.stop();
  }
}

async function accounts(stores: Stores): Promise<readonly User[]> {
  const names = Array.from({ length: ACCOUNTS }, (_, index) => `bench${index + 1}`);
  const found = await Promise.all(names.map((name) => stores.users.findByIdentifier(name)));
  return found.filter((user) => user !== undefined);
}

async function loginRate(transact: Transact<LoginStores>, users: readonly User[]): Promise<number> {
  const deps = {
    clock: { now: () => Date.now() },
    newId,
    randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
    tokenPolicy: POLICY,
    actionTokenCodec,
  };
  const seconds = await inParallel(LOGINS, CONCURRENCY, async () => {
    const user = users[Math.floor(Math.random() * users.length)];
    if (user === undefined) throw new Error('there are no accounts');
    const input = {
      identifier: user.id,
      password: '',
      scopes: [],
      deviceName: 'bench',
      useCookie: false,
      origin: { ...ORIGIN, requestId: crypto.randomUUID() },
    };
    const mark = { userId: user.id, checkedHash: PASSWORD_HASH, newHash: undefined, now: Date.now() };
    const opened = await transact((stores) =>
      openLogin(deps, stores, input, mark, sharedCounter(user, user.id)),
    );
    if (opened === undefined || !('session' in opened)) throw new Error('a login was refused');
  });
  return LOGINS / seconds;
}
