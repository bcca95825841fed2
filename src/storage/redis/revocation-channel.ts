// The revocation channel over a Redis stream.

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { RedisState } from '../../domain/health/readiness.ts';
import type { RevocationChannel } from '../../domain/revocation/revocation-channel.ts';
import type { Revocation } from '../../domain/revocation/revocation.ts';
import { connectRedis, redisReady } from './connection.ts';
import { redisStateOf } from './redis-state.ts';

const BLOCK_MS = 1_000;
const PUBLISH_TIMEOUT_MS = 500;
const RETRY_MS = 200;
/** How long a start waits for Redis. */
const READY_MS = 2_000;
/** Longer than any node is behind; the database holds the rest. */
const MAX_ENTRIES = 10_000;
const MAX_PER_READ = 1_000;
const FIRST_ID = '0-0';
/** The field of an entry that is no revocation. */
const MARK = 'probe';
const ROUND_TRIP_MS = 1_500;

const Times = { id: z.string(), revokeTime: z.number(), expireTime: z.number() };
const Entry = z.array(
  z.discriminatedUnion('form', [
    z.object({ form: z.literal('token'), ...Times }),
    z.object({ form: z.literal('session'), effectTime: z.number().optional(), ...Times }),
    z.object({ form: z.literal('subject'), minVersion: z.int(), ...Times }),
  ]),
);

type Listener = Parameters<RevocationChannel['subscribe']>[0];

export type RedisChannelOptions = {
  readonly url: string;
  /** Put before the stream's name, so that several installations share one Redis. */
  readonly keyPrefix: string;
  readonly onFault: (error: Error) => void;
  /** Called when Redis can be published to, at first and again. */
  readonly onReady: () => void;
};

/** Every node reads the whole stream from where it was; a flushed or failed-over Redis is read from its beginning. */
export class RedisRevocationChannel implements RevocationChannel {
  readonly reachesOthers = true;
  readonly #stream: string;
  readonly #publisher: Redis;
  readonly #reader: Redis;
  readonly #onFault: (error: Error) => void;
  readonly #closing = new AbortController();
  /** What hears of a mark that was read, by mark. */
  readonly #marks = new Map<string, () => void>();
  #reading: Promise<void> | undefined;

  constructor(options: RedisChannelOptions) {
    this.#stream = `${options.keyPrefix}revocations`;
    this.#onFault = options.onFault;
    this.#publisher = connectRedis(options.url, {
      commandTimeoutMs: PUBLISH_TIMEOUT_MS,
      onFault: options.onFault,
    });
    this.#publisher.on('ready', options.onReady);
    // A blocking read answers after BLOCK_MS at the latest, or Redis hangs.
    this.#reader = connectRedis(options.url, { commandTimeoutMs: BLOCK_MS * 2, onFault: () => undefined });
  }

  /** Whether Redis answers now. The reader always waits for an answer, so it notices a Redis that hangs. */
  get isConnected(): boolean {
    return this.#publisher.status === 'ready' && this.#reader.status === 'ready';
  }

  async publish(revocations: readonly Revocation[]): Promise<void> {
    await this.#publisher.xadd(
      this.#stream,
      'MAXLEN',
      '~',
      MAX_ENTRIES,
      '*',
      'revocations',
      JSON.stringify(revocations),
    );
  }

  async subscribe(listener: Listener): Promise<void> {
    // Where the stream ends now is known before anyone reads the database, so that nothing falls between the two. With Redis away the
    // whole stream is read once it is back.
    await redisReady(this.#reader, READY_MS).catch(() => undefined);
    const start = await this.#newestId().catch(() => FIRST_ID);
    this.#reading = this.#read(listener, start);
  }

  /**
   * Publishes a mark and waits until it has been read again, which proves that revocations take the same way. Never rejects.
   */
  async probe(): Promise<RedisState> {
    if (!this.isConnected) return 'down';
    const mark = randomUUID();
    const { promise: heard, resolve } = Promise.withResolvers<RedisState>();
    const timer = setTimeout(() => resolve('unheard'), ROUND_TRIP_MS);
    this.#marks.set(mark, () => resolve('up'));
    try {
      // Other nodes pass over it.
      await this.#publisher.xadd(this.#stream, 'MAXLEN', '~', MAX_ENTRIES, '*', MARK, mark);
      return await heard;
    } catch (error) {
      return redisStateOf(error);
    } finally {
      clearTimeout(timer);
      this.#marks.delete(mark);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#publisher.disconnect();
    this.#reader.disconnect();
    await this.#reading;
  }

  async #read(listener: Listener, start: string): Promise<void> {
    let lastId = start;
    while (!this.#closing.signal.aborted) {
      try {
        lastId = await this.#readOnce(listener, lastId);
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#onFault(error instanceof Error ? error : new Error(String(error)));
        await delay(RETRY_MS, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      }
    }
  }

  async #readOnce(listener: Listener, lastId: string): Promise<string> {
    const askedAt = performance.now();
    const reply = await this.#reader.xread(
      'COUNT',
      MAX_PER_READ,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      this.#stream,
      lastId,
    );
    if (reply === null) return this.#readNothing(listener, lastId);
    const entries = reply.flatMap(([, streamEntries]) => streamEntries);
    for (const [, fields] of entries) this.#hear(listener, fields);
    if (!(await this.#holds(lastId))) listener.onGap();
    // A full answer may have left some behind.
    else if (entries.length < MAX_PER_READ) listener.onAlive(performance.now() - askedAt);
    return entries.at(-1)?.[0] ?? lastId;
  }

  // The stream may have been lost with its Redis, and the new one's ids may be lower than ours; or something came just now.
  async #readNothing(listener: Listener, lastId: string): Promise<string> {
    const askedAt = performance.now();
    const newest = await this.#newestId();
    if (newest === lastId) listener.onAlive(performance.now() - askedAt);
    if (!isOlder(newest, lastId)) return lastId;
    listener.onGap();
    return FIRST_ID;
  }

  // While the entry read last is there, nothing after it has been trimmed or lost with another Redis.
  async #holds(id: string): Promise<boolean> {
    return id === FIRST_ID || (await this.#reader.xrange(this.#stream, id, id)).length > 0;
  }

  #hear(listener: Listener, [name, value = '']: readonly string[]): void {
    if (name === MARK) this.#marks.get(value)?.();
    else listener.onRevocations(decode(value));
  }

  async #newestId(): Promise<string> {
    const [newest] = await this.#reader.xrevrange(this.#stream, '+', '-', 'COUNT', 1);
    return newest?.[0] ?? FIRST_ID;
  }
}

// A line that is none of ours is passed over: the database holds what ours said.
function decode(text: string): readonly Revocation[] {
  try {
    const entry = Entry.safeParse(JSON.parse(text));
    return entry.success ? entry.data : [];
  } catch {
    return [];
  }
}

function isOlder(left: string, right: string): boolean {
  const [leftTime = 0, leftCount = 0] = left.split('-').map(Number);
  const [rightTime = 0, rightCount = 0] = right.split('-').map(Number);
  return leftTime < rightTime || (leftTime === rightTime && leftCount < rightCount);
}
