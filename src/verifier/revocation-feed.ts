// Keeps the index up to date from WatchRevocations: resumes by the cursor, turns to the next node when one fails, and never gives up.

import { setTimeout as delay } from 'node:timers/promises';
import { durationMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Client, Transport } from '@connectrpc/connect';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import type { RevocationHeartbeat, WatchRevocationsResponse } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import type { Clock } from './clock.ts';
import type { RevocationIndex } from './revocation-index.ts';

export type RevocationFeedOptions = {
  /** The nodes, asked in turn. */
  readonly transports: readonly Transport[];
  readonly apiKey: string;
  readonly index: RevocationIndex;
  readonly clock: Clock;
  /** A stream that is silent for so long is given up. */
  readonly silenceMs: number;
  /** Told of every stream that failed; the feed goes on. */
  readonly onFault: (error: Error) => void;
};

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** How fast two clocks may part: a stream may live for weeks. Quartz does ten times better. */
const MAX_DRIFT = 0.001;

/** One feed; `run` it once. */
export class RevocationFeed {
  readonly #options: RevocationFeedOptions;
  readonly #clients: readonly Client<typeof AuthService>[];
  readonly #firstFresh = Promise.withResolvers<void>();
  #cursor = '';
  #pauseMs = FIRST_PAUSE_MS;

  constructor(options: RevocationFeedOptions) {
    this.#options = options;
    this.#clients = options.transports.map((transport) => createClient(AuthService, transport));
  }

  /** Resolves at the first heartbeat. */
  get firstFresh(): Promise<void> {
    return this.#firstFresh.promise;
  }

  /** Watches until `closing` aborts. Never rejects. */
  async run(closing: AbortSignal): Promise<void> {
    for (let turn = 0; !closing.aborted; turn += 1) {
      const client = this.#clients[turn % this.#clients.length];
      if (client === undefined) return;
      try {
        await this.#watch(client, closing);
      } catch (error) {
        if (!closing.aborted) this.#noteFault(ConnectError.from(error));
      }
      await this.#pause(closing);
    }
  }

  async #watch(client: Client<typeof AuthService>, closing: AbortSignal): Promise<void> {
    const silence = new AbortController();
    const giveUp = () =>
      silence.abort(new ConnectError('the stream of revocations is silent', Code.Unavailable));
    const watchdog = setTimeout(giveUp, this.#options.silenceMs);
    const delays = new DelayMeter();
    try {
      const signal = AbortSignal.any([closing, silence.signal]);
      const headers = { authorization: `Bearer ${this.#options.apiKey}` };
      for await (const response of client.watchRevocations({ cursor: this.#cursor }, { headers, signal })) {
        watchdog.refresh();
        this.#apply(response, delays);
      }
    } finally {
      clearTimeout(watchdog);
      silence.abort();
    }
  }

  #apply({ message }: WatchRevocationsResponse, delays: DelayMeter): void {
    if (message.case === 'heartbeat') this.#noteHeartbeat(message.value, delays);
    else if (message.case !== undefined) this.#options.index.apply(message.value.revocations);
    // After what stands before it has been applied, and never before.
    const cursor = message.value?.cursor ?? '';
    if (cursor !== '') this.#cursor = cursor;
  }

  #noteHeartbeat({ time, age }: RevocationHeartbeat, delays: DelayMeter): void {
    const { index, clock } = this.#options;
    const now = clock.now();
    const sentAt = time === undefined ? -Infinity : timestampMs(time);
    const ageMs = age === undefined ? 0 : durationMs(age);
    index.markFresh(now - ageMs - delays.delayOf(sentAt, now));
    // Too old to be of use, or one of the clocks was set: a new stream begins to measure anew.
    if (!index.isFresh()) throw new ConnectError('the stream of revocations is behind', Code.Unavailable);
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#firstFresh.resolve();
    // By the clock that is behind: were this machine's set ahead, what is evicted would be missing once it is right again.
    index.prune(Math.min(now, sentAt));
  }

  #noteFault(error: ConnectError): void {
    // A cursor that nobody can read any more (another master key) is worth nothing: begin anew.
    if (error.code === Code.InvalidArgument) this.#cursor = '';
    this.#options.onFault(error);
  }

  // Full jitter, so that all the gateways of a node that went do not come back in the same moment.
  async #pause(closing: AbortSignal): Promise<void> {
    const ms = Math.random() * this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
    await delay(ms, undefined, { signal: closing }).catch(() => undefined);
  }
}

/**
 * How long messages of one stream were under way, beyond the quickest of them: the two clocks need not agree, and news that lay in a buffer
 * while this process slept do not pass for fresh.
 */
class DelayMeter {
  #quickest = Infinity;
  #measuredAt = -Infinity;

  /** Milliseconds. */
  delayOf(sentAt: number, receivedAt: number): number {
    const underWay = receivedAt - sentAt;
    const driftMs = Math.max(0, receivedAt - this.#measuredAt) * MAX_DRIFT;
    this.#measuredAt = receivedAt;
    this.#quickest = Math.min(this.#quickest + driftMs, underWay);
    return underWay - this.#quickest;
  }
}
