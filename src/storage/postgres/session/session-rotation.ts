// The step of a refresh: compare-and-swap of the generation, with what the next tokens say, in one statement.

import type { Rotated, Rotation } from '../../../domain/session/session-store.ts';
import { inGroups } from '../in-groups.ts';
import { time } from '../row-values.ts';
import type { RunStatement, Statement } from '../statement.ts';

type RotatedRow = {
  readonly id: string;
  readonly user_id: string;
  readonly scopes: string[] | null;
  readonly amr: string[];
  readonly auth_time: string;
  readonly expire_time: string;
  readonly max_expire_time: string;
  readonly role: string;
  readonly token_version: number;
};

const RETURNED =
  's.id, s.user_id, s.scopes, s.amr, s.auth_time, s.expire_time, s.max_expire_time, u.role, u.token_version';
const IS_LIVE = `not s.uses_cookie and s.revoke_time is null and u.status = 'active' and u.session_epoch = s.epoch`;

/**
 * One step. Waits for a transaction that has locked the row. clock_timestamp(): now() is when the statement began, and it may have waited since, for a lock or a server
 * that hung.
 */
export const ROTATE: Statement<RotatedRow> = {
  name: 'session_rotate',
  text: `
    update sessions s
    set generation = s.generation + 1, rotate_time = clock_timestamp(), last_seen_time = to_timestamp($4 / 1000.0),
      expire_time = least(to_timestamp($5 / 1000.0), s.max_expire_time), ip_address = $6, user_agent = $7
    from users u
    where s.id = $1 and s.generation = $2 and s.salt = $3 and u.id = s.user_id and ${IS_LIVE}
      and least(s.expire_time, s.max_expire_time) > to_timestamp($4 / 1000.0)
    returning ${RETURNED}`,
};

/** Many steps. Skips locked rows, so that no call waits for another session and no two groups deadlock. */
const ROTATE_MANY: Statement<RotatedRow> = {
  name: 'session_rotate_many',
  text: `
    with wanted as (
      select * from unnest($1::uuid[], $2::int[], $3::bytea[], $4::float8[], $5::float8[], $6::text[], $7::text[])
        as w (id, generation, salt, now, expire_time, ip_address, user_agent)),
    locked as materialized (
      select s.id from sessions s join wanted w on w.id = s.id and w.generation = s.generation for update of s skip locked)
    update sessions s
    set generation = s.generation + 1, rotate_time = clock_timestamp(), last_seen_time = to_timestamp(w.now / 1000.0),
      expire_time = least(to_timestamp(w.expire_time / 1000.0), s.max_expire_time), ip_address = w.ip_address, user_agent = w.user_agent
    from users u, wanted w, locked h
    where h.id = s.id and s.id = w.id and s.generation = w.generation and s.salt = w.salt and u.id = s.user_id and ${IS_LIVE}
      and least(s.expire_time, s.max_expire_time) > to_timestamp(w.now / 1000.0)
    returning ${RETURNED}`,
};

// When the database hangs, a waiting call is in the next group at the latest.
const MAX_GROUP = 1_000;
// One on its way while the one before commits.
const MAX_RUNNING = 2;

/** The step as the session store offers it: alone when no other call refreshes, in groups when many do. */
export function rotation(run: RunStatement): (step: Rotation) => Promise<Rotated | undefined> {
  return inGroups({
    runGroup: (steps: readonly Rotation[]) => rotateGroup(run, steps),
    maxSize: MAX_GROUP,
    maxRunning: MAX_RUNNING,
  });
}

async function rotateGroup(
  run: RunStatement,
  steps: readonly Rotation[],
): Promise<ReadonlyArray<Rotated | undefined>> {
  const bySession = new Map(steps.map((step) => [step.sessionId, step]));
  const firsts = [...bySession.values()];
  const rotated = firsts.length > 1 ? await rotateMany(run, firsts) : new Map<string, Rotated>();
  // A row that was locked may be free by now, so each that was left out has a try of its own.
  return Promise.all(
    steps.map(async (step) => {
      const done = bySession.get(step.sessionId) === step ? rotated.get(step.sessionId) : undefined;
      return done ?? rotateOne(run, step);
    }),
  );
}

async function rotateMany(
  run: RunStatement,
  steps: readonly Rotation[],
): Promise<ReadonlyMap<string, Rotated>> {
  const column = <Value>(value: (step: Rotation) => Value) => steps.map(value);
  const { rows } = await run(ROTATE_MANY, [
    column((step) => step.sessionId),
    column((step) => step.generation),
    column((step) => Buffer.from(step.salt)),
    column((step) => step.now),
    column((step) => step.expireTime),
    column((step) => step.ipAddress),
    column((step) => step.userAgent),
  ]);
  return new Map(rows.map((row) => [row.id, toRotated(row)]));
}

async function rotateOne(run: RunStatement, step: Rotation): Promise<Rotated | undefined> {
  const { sessionId, generation, salt, now, expireTime, ipAddress, userAgent } = step;
  const parameters = [sessionId, generation, Buffer.from(salt), now, expireTime, ipAddress, userAgent];
  const { rows } = await run(ROTATE, parameters);
  const [row] = rows;
  return row === undefined ? undefined : toRotated(row);
}

function toRotated(row: RotatedRow): Rotated {
  return {
    user: { id: row.user_id, role: row.role, tokenVersion: row.token_version },
    session: {
      scopes: row.scopes ?? undefined,
      amr: row.amr,
      authTime: time(row.auth_time),
      expireTime: time(row.expire_time),
      maxExpireTime: time(row.max_expire_time),
    },
  };
}
