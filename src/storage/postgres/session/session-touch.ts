// The uses of sessions by their cookies: those of many sessions in one statement.

import type { Touch } from '../../../domain/session/session-store.ts';
import { inGroups } from '../in-groups.ts';
import type { RunStatement, Statement } from '../statement.ts';

/** Skips locked rows: no other statement waits for a use, no use waits, and no two groups deadlock. */
const TOUCH_MANY: Statement<never> = {
  name: 'session_touch_many',
  text: `
    with used as (
      select * from unnest($1::uuid[], $2::float8[], $3::float8[], $4::float8[]) as u (id, now, expire_time, seen_before)),
    locked as materialized (
      select s.id from sessions s join used u on u.id = s.id
      where s.uses_cookie and s.revoke_time is null and s.last_seen_time <= to_timestamp(u.seen_before / 1000.0)
        and least(s.expire_time, s.max_expire_time) > to_timestamp(u.now / 1000.0)
      for update of s skip locked)
    update sessions s
    set last_seen_time = to_timestamp(u.now / 1000.0),
      expire_time = least(greatest(s.expire_time, to_timestamp(u.expire_time / 1000.0)), s.max_expire_time)
    from used u, locked h
    where h.id = s.id and u.id = s.id`,
};

const MAX_GROUP = 1_000;
const MAX_RUNNING = 1;

/** The touch as the session store offers it. */
export function touching(run: RunStatement): (touch: Touch) => Promise<void> {
  return inGroups({
    runGroup: async (touches: readonly Touch[]) => {
      const column = <Value>(value: (touch: Touch) => Value) => touches.map(value);
      await run(TOUCH_MANY, [
        column(({ sessionId }) => sessionId),
        column(({ now }) => now),
        column(({ expireTime }) => expireTime),
        column(({ seenBefore }) => seenBefore),
      ]);
      return touches.map(() => undefined);
    },
    maxSize: MAX_GROUP,
    maxRunning: MAX_RUNNING,
  });
}
