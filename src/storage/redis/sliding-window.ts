// The sliding window in Redis: one script, one key, by the clock of Redis.

import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { LimitRule } from '../../domain/limits/limit-table.ts';
import type { Uses } from '../../domain/limits/sliding-window.ts';
import { GROUP_SIZE, groupSpanMs } from '../../domain/limits/sliding-window.ts';

// As src/domain/limits/sliding-window.ts has it. One key, so that it runs on a Cluster too. Answers whether the use was allowed, then the
// groups with ages in place of times. A refused use
// writes nothing, unless the clock was set back.
const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, window, span = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local stored = redis.call('GET', KEYS[1])
local groups = stored and cmsgpack.unpack(stored) or {}
local live, count, moved = {}, 0, false
for at = 1, #groups, 3 do
  local last = math.min(groups[at + 1], now)
  moved = moved or groups[at + 1] > now
  if last + window > now then
    live[#live + 1] = math.min(groups[at], now)
    live[#live + 1] = last
    live[#live + 1] = groups[at + 2]
    count = count + groups[at + 2]
  end
end
local allowed = 0
if count < limit then
  allowed = 1
  local size = #live
  if size > 0 and now - live[size - 2] < span then
    live[size - 1] = now
    live[size] = live[size] + 1
  else
    live[size + 1], live[size + 2], live[size + 3] = now, now, 1
  end
end
if allowed == 1 or moved then redis.call('SET', KEYS[1], cmsgpack.pack(live), 'PX', window) end
local reply = { allowed }
for at = 1, #live, 3 do
  reply[#reply + 1] = now - live[at]
  reply[#reply + 1] = now - live[at + 1]
  reply[#reply + 1] = live[at + 2]
end
return reply`;
const SCRIPT_SHA = createHash('sha1').update(SCRIPT).digest('hex');

/** What Redis counted. `uses` are in times of the clock that `askTime` was read from. */
export type CountedInRedis = { readonly isAllowed: boolean; readonly uses: Uses };

/** Counts one use of `key` by `rule`. Errors: those of Redis, and Error for a reply that the script does not give. */
export async function countInRedis(
  redis: Redis,
  key: string,
  { limit, windowMs }: LimitRule,
  askTime: number,
): Promise<CountedInRedis> {
  const reply = await run(redis, key, [limit, windowMs, groupSpanMs(windowMs)]);
  if (!Array.isArray(reply) || !reply.every((item) => typeof item === 'number'))
    throw new Error('Redis answered the script of the rate limits with something else');
  const [allowed, ...groups] = reply;
  const uses = groups.map((value, index) =>
    index % GROUP_SIZE === GROUP_SIZE - 1 ? value : askTime - value,
  );
  return { isAllowed: allowed === 1, uses };
}

async function run(redis: Redis, key: string, values: readonly number[]): Promise<unknown> {
  try {
    return await redis.evalsha(SCRIPT_SHA, 1, key, ...values);
  } catch (error) {
    // Not loaded yet, or a Redis that was restarted or failed over.
    if (error instanceof Error && error.message.startsWith('NOSCRIPT'))
      return redis.eval(SCRIPT, 1, key, ...values);
    throw error;
  }
}
