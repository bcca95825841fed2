// WatchRevocations over every protocol: what it tells, whom, for how long, and how it ends.

import { connect } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WatchRevocationsRequestSchema } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { RevocationForm } from '../../gen/latchkey/v1/revocation_pb.ts';
import { MAX_PENDING } from '../../src/domain/revocation/change-queue.ts';
import { MAX_PER_MESSAGE } from '../../src/domain/revocation/watch-revocations.ts';
import type { Revocation, RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import { publishRevocations } from '../../src/domain/revocation/publish-revocations.ts';
import { watchCursorCodec } from '../../src/crypto/tokens/cursor-codecs.ts';
import { MasterKey } from '../../src/crypto/keys/master-key.ts';
import { watchRevocationsHandlers } from '../../src/edge/operations/auth/watch-revocations.ts';
import type { Call } from '../../src/edge/pipeline/call.ts';
import { MAX_STREAMS, OpenStreams } from '../../src/edge/pipeline/open-streams.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { issueApiKey, signToken } from '../support/forged-tokens.ts';
import { frame } from '../support/raw-calls.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { bearer, PROTOCOLS, signUp, startTestService, type TestService } from '../support/service.ts';
import { freshMemory, watch } from '../support/watcher.ts';

const VALIDATE = ['tokens:validate'];

let service: TestService;
let headers: Record<string, string>;
const clock = new FakeClock(Date.now());

beforeAll(async () => {
  service = await startTestService({ clock, variables: { MAX_CALL_TIME: '500ms' } });
  headers = bearer((await issueApiKey(service.app, VALIDATE)).text).headers;
});
afterAll(() => service.stop());

function revocationOf(target: RevocationTarget): Revocation {
  return revocation(target, clock.now(), 900_000);
}

/** Revokes as a use case does. */
async function revoke(...targets: readonly RevocationTarget[]): Promise<readonly string[]> {
  const all = targets.map(revocationOf);
  await service.app.transact(async (stores) => {
    for (const one of all) await stores.revocations.insert(one);
  });
  await publishRevocations(service.app, all);
  return all.map(({ id }) => id);
}

const someToken = (): RevocationTarget => ({ form: 'token', id: service.app.newId() });

/** How many streams the node serves, by what they listen to. */
async function noStreamsLeft(): Promise<void> {
  await eventually(() => listeners.size === 0, { message: () => `${listeners.size} still listen` });
}
const listeners = new Set<unknown>();
beforeAll(() => {
  const { revocationIndex } = service.app;
  const subscribe = revocationIndex.subscribe.bind(revocationIndex);
  vi.spyOn(revocationIndex, 'subscribe').mockImplementation((listener) => {
    listeners.add(listener);
    const end = subscribe(listener);
    return () => {
      listeners.delete(listener);
      end();
    };
  });
});

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('tells each form whole, first in a snapshot and then as it happens', async () => {
    const effectTime = clock.now() + 60_000;
    const [early] = await revoke({ form: 'session', id: service.app.newId(), effectTime });
    const watcher = watch(service.auth(protocol), headers);
    await watcher.upToDate();
    expect(watcher.seen.get(early!)).toMatchObject({
      form: RevocationForm.SESSION,
      effectTime: { seconds: BigInt(Math.floor(effectTime / 1000)) },
    });
    const now = { seconds: BigInt(Math.floor(clock.now() / 1000)) };
    const [token, session, subject] = await revoke(
      someToken(),
      { form: 'session', id: service.app.newId() },
      { form: 'subject', id: service.app.newId(), minVersion: 7 },
    );
    await eventually(() => watcher.seen.has(subject!));
    expect(watcher.seen.get(token!)).toMatchObject({ form: RevocationForm.TOKEN, revokeTime: now });
    expect(watcher.seen.get(session!)).toMatchObject({ form: RevocationForm.SESSION });
    expect(watcher.seen.get(session!)?.effectTime).toBeUndefined();
    expect(watcher.seen.get(subject!)).toMatchObject({ form: RevocationForm.SUBJECT, minVersion: 7 });
    await watcher.leave();
    await noStreamsLeft();
  });

  it('outlives the limit of other calls, and beats all the while', async () => {
    const watcher = watch(service.auth(protocol), headers);
    await eventually(() => watcher.heartbeats.length >= 3);
    expect(watcher.heartbeats.every(({ cursor }) => cursor !== '')).toBe(true);
    await watcher.leave();
    await noStreamsLeft();
  });

  it('ends with the deadline of its caller', async () => {
    const responses = service.auth(protocol).watchRevocations({}, { headers, timeoutMs: 300 });
    const readAll = async () => {
      for await (const response of responses) expect(response.message.case).toBeDefined();
    };
    const refusal = await refusalOf(readAll());
    expect(refusal.code).toBe('DeadlineExceeded');
    await noStreamsLeft();
  });

  it('resumes by the cursor with what was missed, and not with the rest', async () => {
    const first = watch(service.auth(protocol), headers);
    const [known] = await revoke(someToken());
    await eventually(() => first.seen.has(known!));
    // The database's horizon has passed it when a later heartbeat names a later cursor.
    await first.upToDate();
    const before = first.cursor();
    await eventually(() => first.cursor() !== before);
    await first.leave();
    const missed = await revoke(someToken(), someToken());
    const memory = { ...freshMemory(), cursor: first.cursor() };
    const second = watch(service.auth(protocol), headers, memory);
    await second.upToDate();
    expect(second.counts.snapshot).toBe(0);
    expect(missed.filter((id) => !second.seen.has(id))).toEqual([]);
    await second.leave();
  });

  it('refuses a cursor that is not ours', async () => {
    const { write } = watchCursorCodec(service.app.keyring);
    const good = write({ position: '1', time: clock.now() });
    const foreign = watchCursorCodec(new MasterKey(new Uint8Array(32)));
    const another = service.app.pageTokenCodec.write('revocations', { position: '1', time: clock.now() });
    const forged = [
      'x',
      `${good}A`,
      `${good}=`,
      good.slice(0, -4),
      `B${good.slice(1)}`,
      foreign.write({ position: '1', time: clock.now() }),
      another,
      'a'.repeat(100_000),
    ];
    for (const cursor of forged) {
      const watcher = watch(service.auth(protocol), headers, { ...freshMemory(), cursor });
      expect(await watcher.ended).toMatchObject({
        code: 'InvalidArgument',
        reason: 'VALIDATION_FAILED',
        fields: ['cursor'],
      });
    }
    await noStreamsLeft();
  });

  it('tells everything anew for an old cursor, and for one that the database has not reached', async () => {
    const [old] = await revoke(someToken());
    const { write } = service.app.watchCursorCodec;
    const ahead = write({ position: '9000000000', time: clock.now() });
    const aged = write({ position: '9000000000', time: clock.now() - 3_600_000 });
    for (const cursor of [ahead, aged]) {
      const watcher = watch(service.auth(protocol), headers, { ...freshMemory(), cursor });
      await watcher.upToDate();
      expect(watcher.seen.has(old!)).toBe(true);
      await watcher.leave();
    }
  });

  it('ends when its own key is revoked', async () => {
    const key = await issueApiKey(service.app, VALIDATE);
    const watcher = watch(service.auth(protocol), bearer(key.text).headers);
    await watcher.upToDate();
    await revoke({ form: 'session', id: key.id });
    expect(await watcher.ended).toMatchObject({ code: 'Unauthenticated', reason: 'TOKEN_REVOKED' });
    await noStreamsLeft();
  });

  it('ends when its own token is revoked, with its session or its subject, or expires', async () => {
    const [jti, sid, sub] = [service.app.newId(), service.app.newId(), service.app.newId()];
    const open = async (claims: Record<string, unknown>) => {
      const token = await signToken(service.app, claims);
      const watcher = watch(service.auth(protocol), bearer(token).headers);
      await watcher.upToDate();
      return watcher;
    };
    const watchers = [await open({ jti }), await open({ sid }), await open({ sub, ver: 1 })];
    const expiring = await open({ exp: Math.floor(clock.now() / 1000) + 60 });
    const bystander = await open({});
    await revoke(
      { form: 'token', id: jti },
      { form: 'session', id: sid },
      { form: 'subject', id: sub, minVersion: 2 },
    );
    for (const watcher of watchers) expect((await watcher.ended)?.reason).toBe('TOKEN_REVOKED');
    clock.advance(70_000);
    await eventually(() => service.app.revocationIndex.isFresh());
    const reasons = ['TOKEN_EXPIRED', 'REVOCATIONS_STALE'];
    expect(reasons).toContain((await expiring.ended)?.reason);
    await bystander.leave();
    await noStreamsLeft();
  });

  it('ends when its role loses the scope', async () => {
    const { roleDirectory } = service.app;
    const stored = await service.app.roles.list();
    const watcher = watch(service.auth(protocol), bearer(await signToken(service.app)).headers);
    await watcher.upToDate();
    const without = stored.map((role) => ({
      ...role,
      scopes: role.scopes.filter((scope) => scope !== 'tokens:validate'),
    }));
    // The poll reads the roles that are stored: they must agree with what this test says.
    const list = vi.spyOn(service.app.roles, 'list').mockResolvedValue(without);
    roleDirectory.replace(without);
    expect(await watcher.ended).toMatchObject({ code: 'PermissionDenied', reason: 'INSUFFICIENT_SCOPE' });
    list.mockRestore();
    roleDirectory.replace(stored);
    await noStreamsLeft();
  });

  it('ends, as unavailable, when this node cannot know any more', async () => {
    const watcher = watch(service.auth(protocol), headers);
    await watcher.upToDate();
    const { revocationIndex } = service.app;
    const marks = [vi.spyOn(revocationIndex, 'markFresh'), vi.spyOn(revocationIndex, 'markHeard')];
    marks.forEach((mark) => mark.mockImplementation(() => undefined));
    clock.advance(5_001);
    expect(await watcher.ended).toMatchObject({ code: 'Unavailable', reason: 'REVOCATIONS_STALE' });
    marks.forEach((mark) => mark.mockRestore());
    await eventually(() => service.app.revocationIndex.isFresh());
  });

  it('notices that its reader has gone, and prints nothing of it', async () => {
    const printed = vi.spyOn(console, 'error');
    const watchers = Array.from({ length: 20 }, () => watch(service.auth(protocol), headers));
    await Promise.all(watchers.map((watcher) => watcher.upToDate()));
    expect(listeners.size).toBe(20);
    await Promise.all(watchers.map((watcher) => watcher.leave()));
    await noStreamsLeft();
    await revoke(someToken());
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });
});

it('a stream that nobody reads costs a bounded queue, and ends when somebody reads it again', async () => {
  const session = connect(service.grpcUrl, { settings: { initialWindowSize: 16_384 } });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/latchkey.v1.AuthService/WatchRevocations',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.end(frame(new Uint8Array()));
  await eventually(() => listeners.size === 1);
  const flood = () =>
    service.app.revocationIndex.apply(
      Array.from({ length: MAX_PER_MESSAGE }, () => revocationOf(someToken())),
    );
  // Two windows and a message stand between the queue and the reader; the queue holds MAX_PENDING.
  for (let told = 0; told < 2 * MAX_PENDING; told += MAX_PER_MESSAGE) {
    flood();
    await new Promise(setImmediate);
  }
  let trailers: Record<string, unknown> | undefined;
  stream.on('trailers', (found) => (trailers = found));
  stream.resume();
  const ended = await eventually(() => trailers);
  expect(ended['grpc-status']).toBe('8');
  session.close();
  await noStreamsLeft();
  service.app.revocationIndex.prune();
});

it('a reader that stalls over HTTP/1.1 and then goes leaves nothing behind', async () => {
  const printed = vi.spyOn(console, 'error');
  const { hostname, port } = new URL(service.httpUrl);
  const socket = connectTcp(Number(port), hostname);
  socket.pause();
  const body = frame(Buffer.from('{}'));
  const lines = [
    'POST /latchkey.v1.AuthService/WatchRevocations HTTP/1.1',
    `host: ${hostname}`,
    'content-type: application/connect+json',
    `content-length: ${body.length}`,
    `authorization: ${headers['authorization']}`,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  socket.write(body);
  await eventually(() => listeners.size === 1);
  for (let told = 0; told < 100 * MAX_PER_MESSAGE; told += MAX_PER_MESSAGE) {
    service.app.revocationIndex.apply(
      Array.from({ length: MAX_PER_MESSAGE }, () => revocationOf(someToken())),
    );
    await new Promise(setImmediate);
  }
  socket.destroy();
  await noStreamsLeft();
  expect(printed).not.toHaveBeenCalled();
  printed.mockRestore();
});

it('a node serves so many streams and no more, and none once it stops', () => {
  const streams = new OpenStreams();
  const ends: unknown[] = [];
  const leaves = Array.from({ length: MAX_STREAMS }, () => streams.enter((error) => ends.push(error)));
  expect(() => streams.enter(() => undefined)).toThrow(expect.objectContaining({ reason: 'OVERLOADED' }));
  leaves.pop()?.();
  const leave = streams.enter((error) => ends.push(error));
  leave();
  leave();
  expect(streams.size).toBe(MAX_STREAMS - 1);
  streams.close();
  expect(ends).toHaveLength(MAX_STREAMS - 1);
  expect(() => streams.enter(() => undefined)).toThrow(expect.objectContaining({ reason: 'SHUTTING_DOWN' }));
});

it.each(PROTOCOLS)(
  'a node that stops ends its streams over %s, and does not wait for them',
  async (protocol) => {
    // Longer than this test may take.
    const node = await startTestService({ variables: { SHUTDOWN_GRACE: '10m' } });
    const key = bearer((await issueApiKey(node.app, VALIDATE)).text).headers;
    const watchers = Array.from({ length: 10 }, () => watch(node.auth(protocol), key));
    await Promise.all(watchers.map((watcher) => watcher.upToDate()));
    await node.stop();
    for (const watcher of watchers)
      expect(await watcher.ended).toMatchObject({ code: 'Unavailable', reason: 'SHUTTING_DOWN' });
  },
);

it('makes each message of a snapshot once for all who start together', async () => {
  await revoke(someToken());
  const { watchRevocations } = watchRevocationsHandlers(service.app);
  const gone = new AbortController();
  const call = { signal: gone.signal } as Call;
  const [one, other] = [1, 2].map(() =>
    watchRevocations(create(WatchRevocationsRequestSchema), call)[Symbol.asyncIterator](),
  );
  const first = await one!.next();
  const second = await other!.next();
  expect(first.value).toMatchObject({ message: { case: 'snapshot' } });
  expect(second.value).toBe(first.value);
  gone.abort();
  await Promise.all([one!.return?.(), other!.return?.()]);
});

it('a person without the scope may not watch', async () => {
  const { accessToken } = await signUp(service, 'somebody');
  const watcher = watch(service.auth(), bearer(accessToken).headers);
  expect(await watcher.ended).toMatchObject({ code: 'PermissionDenied', reason: 'INSUFFICIENT_SCOPE' });
});

it("the request id of the caller is the answer's", async () => {
  const seen: Array<string | null> = [];
  const gone = new AbortController();
  const options = {
    headers: { ...headers, 'x-request-id': 'watch-1' },
    signal: gone.signal,
    onHeader: (header: Headers) => seen.push(header.get('x-request-id'), header.get('cache-control')),
  };
  for await (const _response of service.auth('connect').watchRevocations({}, options)) break;
  gone.abort();
  expect(seen).toEqual(['watch-1', 'no-store']);
});
