// The verifier's feed against a service that misbehaves: late, silent, set back, unreadable. It accepts nothing on old knowledge.

import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createRouterTransport } from '@connectrpc/connect';
import { afterEach, expect, it } from 'vitest';
import type {
  WatchRevocationsRequest,
  WatchRevocationsResponse,
} from '../../gen/latchkey/v1/auth_service_pb.ts';
import { AuthService, WatchRevocationsResponseSchema } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { RevocationForm } from '../../gen/latchkey/v1/revocation_pb.ts';
import { RevocationFeed } from '../../src/verifier/revocation-feed.ts';
import { RevocationIndex } from '../../src/verifier/revocation-index.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';

type Serve = (request: WatchRevocationsRequest, turn: number) => AsyncGenerator<WatchRevocationsResponse>;

const STALE_MS = 5_000;
const closing = { current: new AbortController() };
afterEach(() => {
  closing.current.abort();
  closing.current = new AbortController();
});

const beat = (time: number, ageMs = 0, cursor = '') =>
  create(WatchRevocationsResponseSchema, {
    message: {
      case: 'heartbeat',
      value: { time: timestampFromMs(time), age: durationFromMs(ageMs), cursor },
    },
  });
const tell = (form: RevocationForm, id: string, cursor = '') =>
  create(WatchRevocationsResponseSchema, {
    message: {
      case: 'events',
      value: { cursor, revocations: [{ form, id, expireTime: timestampFromMs(Date.now() + 900_000) }] },
    },
  });
const forever = () => new Promise<never>(() => undefined);

/** A feed from a service that answers by `serve`, or by several. */
function feedFrom(serves: Serve | readonly Serve[], silenceMs = STALE_MS) {
  const clock = new FakeClock(Date.now());
  const index = new RevocationIndex(clock, STALE_MS);
  const requests: string[] = [];
  const faults: string[] = [];
  const transports = [serves].flat().map((serve, node) =>
    createRouterTransport(({ service }) => {
      service(AuthService, {
        async *watchRevocations(request) {
          requests.push(`${node}:${request.cursor}`);
          yield* serve(request, requests.length);
        },
      });
    }),
  );
  const onFault = (error: Error) => faults.push(error.message);
  const feed = new RevocationFeed({ transports, apiKey: 'key', index, clock, silenceMs, onFault });
  void feed.run(closing.current.signal);
  return { clock, index, feed, requests, faults };
}

const revokes = (index: RevocationIndex, tokenId: string) =>
  index.isRevoked({ tokenId, sessionId: undefined, subjectId: '-', version: 1 });

it('is fresh when the clocks differ by hours, and as old as the service says', async () => {
  const { clock, index, feed } = feedFrom(async function* serve() {
    yield beat(Date.now() + 7_200_000, 2_000);
    await forever();
  });
  await feed.firstFresh;
  clock.advance(3_000);
  expect(index.isFresh()).toBe(true);
  clock.advance(1);
  expect(index.isFresh()).toBe(false);
});

it('takes nothing that lay in a buffer for fresh', async () => {
  const start = Date.now();
  const wake = Promise.withResolvers<void>();
  const { clock, index, feed, requests } = feedFrom(async function* serve(_request, turn) {
    if (turn > 1) await forever();
    yield beat(start);
    await wake.promise;
    yield beat(start + 1_000);
    await forever();
  });
  await feed.firstFresh;
  clock.advance(20_000);
  wake.resolve();
  await eventually(() => requests.length > 1);
  expect(index.isFresh()).toBe(false);
});

it('is fresh for weeks on one stream when the clocks part slowly', async () => {
  const start = Date.now();
  const next = { current: Promise.withResolvers<void>() };
  let seconds = 0;
  const { clock, index, feed, requests } = feedFrom(async function* serve() {
    for (;;) {
      // This service's clock is slow by 50 ppm.
      yield beat(start + seconds * 1_000 * 0.99995);
      await next.current.promise;
    }
  });
  await feed.firstFresh;
  for (let step = 0; step < 200; step += 1) {
    seconds += 3_600;
    clock.advance(3_600_000);
    const waiting = next.current;
    next.current = Promise.withResolvers<void>();
    waiting.resolve();
    await eventually(() => index.isFresh(), { intervalMs: 0 });
  }
  clock.advance(STALE_MS - 1_000);
  expect(index.isFresh()).toBe(true);
  expect(requests).toHaveLength(1);
});

it('begins a new stream when a clock was set, and is fresh again by that', async () => {
  const first = Date.now();
  const set = Promise.withResolvers<void>();
  const { clock, index, feed, requests } = feedFrom(async function* serve(_request, turn) {
    if (turn === 1) {
      yield beat(first);
      await set.promise;
    }
    // An hour earlier than it was.
    yield beat(first - 3_600_000);
    await forever();
  });
  await feed.firstFresh;
  clock.advance(STALE_MS + 1);
  set.resolve();
  await eventually(() => requests.length > 1 && index.isFresh());
});

it('gives up a stream that is silent, and turns to the next node', async () => {
  const { requests, faults } = feedFrom(
    [
      async function* serve() {
        yield tell(RevocationForm.TOKEN, 'a', 'c1');
        await forever();
      },
      async function* serve() {
        yield beat(Date.now());
        await forever();
      },
    ],
    100,
  );
  await eventually(() => requests.length >= 3);
  expect(requests.slice(0, 3)).toEqual(['0:', '1:c1', '0:c1']);
  expect(faults[0]).toMatch(/silent/);
});

it('resumes by the last cursor, keeps it where a message has none, and forgets one that is refused', async () => {
  const { requests, index } = feedFrom(async function* serve(request, turn) {
    if (turn === 1) {
      yield tell(RevocationForm.TOKEN, 'a', 'c1');
      yield tell(RevocationForm.TOKEN, 'b');
      throw new ConnectError('stopping', Code.Unavailable);
    }
    if (request.cursor !== '') throw new ConnectError('no such cursor', Code.InvalidArgument);
    yield beat(Date.now());
    await forever();
  });
  await eventually(() => requests.length >= 3);
  expect(requests.slice(0, 3)).toEqual(['0:', '0:c1', '0:']);
  expect([revokes(index, 'a'), revokes(index, 'b'), revokes(index, 'c')]).toEqual([true, true, false]);
});

it('has no cursor from a snapshot that was cut off', async () => {
  const { requests } = feedFrom(async function* serve(_request, turn) {
    yield create(WatchRevocationsResponseSchema, {
      message: { case: 'snapshot', value: { revocations: [{ form: RevocationForm.TOKEN, id: 'a' }] } },
    });
    if (turn === 1) throw new ConnectError('cut', Code.Unavailable);
    await forever();
  });
  await eventually(() => requests.length >= 2);
  expect(requests[1]).toBe('0:');
});

it('is not fresh by a service that tells of a form that it does not know', async () => {
  const { index, faults } = feedFrom(async function* serve() {
    yield tell(99 as RevocationForm, 'x');
    yield beat(Date.now());
    await forever();
  });
  await eventually(() => faults.length > 1);
  expect(faults[0]).toMatch(/form of revocation/);
  expect(index.isFresh()).toBe(false);
});

it('ends where it waits', async () => {
  const { requests } = feedFrom(async function* serve() {
    yield tell(RevocationForm.TOKEN, 'a');
    throw new ConnectError('away', Code.Unavailable);
  });
  await eventually(() => requests.length > 1);
  closing.current.abort();
  await new Promise(setImmediate);
  const { length } = requests;
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(requests.length).toBe(length);
});
