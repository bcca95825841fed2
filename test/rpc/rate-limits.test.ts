// Limits as callers meet them, over every protocol: who is refused, what the answer's headers say, and who is not limited.

import { create, fromBinary, toBinary, type DescMethod, type Message } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { AuthService, LoginResponseSchema } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import { LIMIT_TABLE } from '../../src/domain/limits/limit-table.ts';
import type { RateLimiter } from '../../src/domain/limits/rate-limiter.ts';
import { accessTable } from '../../src/edge/pipeline/access-table.ts';
import { ActiveCalls } from '../../src/edge/pipeline/active-calls.ts';
import type { Handler } from '../../src/edge/pipeline/operation.ts';
import { serveMethod } from '../../src/edge/pipeline/pipeline.ts';
import { memoryRateLimiter } from '../../src/storage/memory/rate-limiter.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { endingOf, refusalOf } from '../support/rpc-calls.ts';
import { GOOD_PASSWORD, PROTOCOLS, startTestService } from '../support/service.ts';
import { bearer, signIn, type Protocol, type TestService } from '../support/service.ts';

const clock = new FakeClock();
const GOOD = { identifier: 'ada@example.com', password: GOOD_PASSWORD };
const WRONG = { ...GOOD, password: 'Wrong-Horse-42-Staple!' };
const REFUSED = 'ResourceExhausted RATE_LIMITED latchkey';
let service: TestService;
beforeAll(async () => {
  // The tests come from many places: what they say of theirs is believed.
  service = await startTestService({ clock, variables: { RATE_LIMITS: 'on', TRUSTED_PROXIES: '127.0.0.1' } });
  await service.auth().register({ ...GOOD, email: GOOD.identifier, username: 'ada', fullName: 'Ada' });
});
afterAll(() => service.stop());

let places = 0;
/** Call options of a caller with a new address. */
function somewhere() {
  places += 1;
  return { headers: { 'x-forwarded-for': `198.51.${places >> 8}.${places & 255}` } };
}

/** limit, remaining and reset in the headers. */
function limitIn(headers: Headers): string {
  return ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}`) ?? '-').join(' ');
}

/** How a login ended, and what its headers say of the limit. */
async function tryLogin(protocol: Protocol, request: typeof GOOD, options = somewhere()): Promise<string> {
  let headers = new Headers();
  try {
    await service.auth(protocol).login(request, { ...options, onHeader: (seen) => (headers = seen) });
    return `OK ${limitIn(headers)}`;
  } catch (error) {
    const { metadata } = ConnectError.from(error);
    const [info] = ConnectError.from(error).findDetails(ErrorInfoSchema);
    return `${info?.reason ?? ''} ${limitIn(metadata)}`;
  }
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('every login reports what is left, the sixth in a minute is refused, others’ are not', async () => {
    const here = somewhere();
    expect(await tryLogin(protocol, GOOD, here)).toBe('OK 5 4 60');
    expect(await tryLogin(protocol, { ...GOOD, identifier: 'nobody' }, here)).toBe(
      'INVALID_CREDENTIALS 5 3 60',
    );
    clock.advance(10_500);
    expect(await tryLogin(protocol, { ...GOOD, identifier: '' }, here)).toBe('VALIDATION_FAILED - - -');
    expect(await tryLogin(protocol, GOOD, here)).toBe('OK 5 2 60');
    expect(await tryLogin(protocol, GOOD, here)).toBe('OK 5 1 60');
    expect(await tryLogin(protocol, GOOD, here)).toBe('OK 5 0 60');
    expect(await tryLogin(protocol, GOOD, here)).toBe('RATE_LIMITED 5 0 60');
    expect(await refusalOf(service.auth(protocol).login(GOOD, here))).toMatchObject({
      code: 'ResourceExhausted',
      reason: 'RATE_LIMITED',
      message: 'Too many attempts from this address. Try again in 50 seconds.',
      retryAfterSeconds: 50,
      metadata: { limit: '5', remaining: '0', reset: '60' },
    });
    expect(await tryLogin(protocol, GOOD)).toBe('OK 5 4 60');
    clock.advance(49_500);
    // The two of the first moment are a minute old, the three others not.
    expect(await tryLogin(protocol, GOOD, here)).toBe('OK 5 1 60');
    clock.advance(60_000);
  });

  it('the fourth registration in an hour is refused', async () => {
    const here = somewhere();
    const auth = service.auth(protocol);
    const register = (index: number) =>
      auth.register(
        { email: `p${index}@${protocol}.example.com`, password: GOOD_PASSWORD, fullName: 'A' },
        here,
      );
    for (const index of [1, 2, 3]) await register(index);
    const { retryAfterSeconds, reason } = await refusalOf(register(4));
    expect({ retryAfterSeconds, reason }).toEqual({ retryAfterSeconds: 3_600, reason: 'RATE_LIMITED' });
    expect(await endingOf(auth.register({}, somewhere()))).toContain('VALIDATION_FAILED');
  });

  it('a call without a limit says nothing of one', async () => {
    let headers = new Headers();
    await service.auth(protocol).getJwks({}, { onHeader: (seen) => (headers = seen) });
    expect(limitIn(headers)).toBe('- - -');
    const error: unknown = await service
      .user(protocol)
      .getMe({})
      .catch((refusal: unknown) => refusal);
    expect(limitIn(ConnectError.from(error).metadata)).toBe('- - -');
  });
});

describe('a foreign gRPC client', () => {
  it('reads the headers of an answer and of a refusal', async () => {
    const client = new Client(service.grpcAddress, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set('x-forwarded-for', somewhere().headers['x-forwarded-for']);
    const { path, bytes } = rawRequest(
      AuthService.method.login,
      create(AuthService.method.login.input, GOOD),
    );
    const same = (buffer: Buffer) => buffer;
    const call = () =>
      new Promise<string[]>((resolve) => {
        let initial: Metadata | undefined;
        const done = (error: ServiceError | null, body?: Buffer) => {
          if (error === null) fromBinary(LoginResponseSchema, body ?? Buffer.alloc(0));
          const seen = error === null ? initial : error.metadata;
          resolve(
            ['limit', 'remaining', 'reset'].flatMap(
              (name) => seen?.get(`x-ratelimit-${name}`).map(String) ?? [],
            ),
          );
        };
        client.makeUnaryRequest(path, same, same, bytes, metadata, done).on('metadata', (seen: Metadata) => {
          initial = seen;
        });
      });
    for (const remaining of ['4', '3', '2', '1', '0', '0'])
      expect(await call()).toEqual(['5', remaining, '60']);
    client.close();
  });
});

function rawRequest(method: DescMethod, request: Message) {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    bytes: Buffer.from(toBinary(method.input, request)),
  };
}

describe('who is counted', () => {
  it('one address, whatever the protocol, and however many calls at once', async () => {
    const here = somewhere();
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        endingOf(service.auth(PROTOCOLS[index % 3]).login({ ...WRONG, identifier: `flood${index}` }, here)),
      ),
    );
    expect(outcomes.filter((ending) => ending === REFUSED)).toHaveLength(45);
  });

  it('one /64 of IPv6, and no neighbour', async () => {
    const from = (address: string) =>
      endingOf(
        service.auth().login({ ...WRONG, identifier: address }, { headers: { 'x-forwarded-for': address } }),
      );
    for (let host = 1; host <= 5; host += 1) expect(await from(`2001:db8::${host}`)).not.toBe(REFUSED);
    expect(await from('2001:db8:0:0:ffff::6')).toBe(REFUSED);
    expect(await from('2001:db8:0:1::6')).not.toBe(REFUSED);
  });

  it('an account that changes its credentials, wherever it calls from', async () => {
    await eventually(() => service.app.revocationIndex.isFresh());
    const { accessToken } = await signIn(service, GOOD.identifier);
    const call = () =>
      endingOf(
        service.user().createApiKey(
          { displayName: 'A', scopes: ['account:read'] },
          {
            headers: { ...bearer(accessToken).headers, ...somewhere().headers },
          },
        ),
      );
    for (let time = 1; time <= 10; time += 1) expect(await call()).not.toBe(REFUSED);
    expect(await call()).toBe(REFUSED);
  });

  it('a mailbox, from any client, however it is spelt, and whatever for', async () => {
    const email = 'much-written-to@example.com';
    const reset = (address: string) =>
      endingOf(service.auth().requestPasswordReset({ email: address }, somewhere()));
    const verification = (address: string) =>
      endingOf(service.auth().sendEmailVerification({ email: address }, somewhere()));
    expect(await reset(email)).toBe('OK');
    expect(await verification(email.toUpperCase())).toBe('OK');
    expect(await reset(email)).toBe('OK');
    expect(await verification(email)).toBe(REFUSED);
    expect(await reset(email.toUpperCase())).toBe(REFUSED);
    expect(await reset(`another-${email}`)).toBe('OK');
    // A registration writes to the mailbox too: to one with an account, and to one without.
    const register = (address: string, username = '') =>
      endingOf(
        service
          .auth()
          .register({ email: address, username, password: GOOD_PASSWORD, fullName: 'A' }, somewhere()),
      );
    expect(await register(email)).toBe(REFUSED);
    expect(await register(email.toUpperCase())).toBe(REFUSED);
    for (const address of ['fresh-mailbox@example.com', 'another-mailbox@example.com']) {
      expect(await register(address)).toBe('OK');
      expect(await register(address)).toBe('OK');
      // What is refused sends no email, and uses nothing up.
      for (let time = 0; time < 3; time += 1)
        expect(await register(address, 'ada')).toContain('USERNAME_TAKEN');
      expect(await reset(address)).toBe('OK');
      expect(await register(address)).toBe(REFUSED);
      expect(await verification(address)).toBe(REFUSED);
    }
  });

  it('a refusal leaves no trace in the audit log, so that a flood does not fill it', async () => {
    const { tables } = service.app.database;
    const events = async () => {
      const logins = tables.selectFrom('audit_events').select('id').where('kind', '=', 'session.login');
      return (await logins.execute()).length;
    };
    const here = somewhere();
    const tryOften = async () => {
      for (let time = 1; time <= 10; time += 1)
        await endingOf(service.auth().login({ ...WRONG, identifier: `audited${time}` }, here));
    };
    const before = await events();
    await tryOften();
    const after = await events();
    expect(after).toBeGreaterThan(before);
    await tryOften();
    expect(await events()).toBe(after);
  });

  it('no caller whose credential is rejected', async () => {
    const here = somewhere();
    for (let time = 1; time <= 15; time += 1)
      expect(await endingOf(service.user().createApiKey({}, here))).toContain('TOKEN_MISSING');
  });
});

describe('a forged x-forwarded-for', () => {
  it('gives no fresh limit where no proxy is trusted', async () => {
    const plain = await startTestService({ variables: { RATE_LIMITS: 'on' } });
    const outcomes: string[] = [];
    for (let time = 1; time <= 6; time += 1)
      outcomes.push(
        await endingOf(plain.auth(PROTOCOLS[time % 3]).login({ ...WRONG, identifier: 'a' }, somewhere())),
      );
    await plain.stop();
    expect(outcomes.slice(0, 5)).not.toContain(REFUSED);
    expect(outcomes[5]).toBe(REFUSED);
  });

  it('gives none behind a proxy either, which adds the true address at the end', async () => {
    const outcomes: string[] = [];
    for (let time = 1; time <= 6; time += 1) {
      const headers = { 'x-forwarded-for': `${somewhere().headers['x-forwarded-for']}, 203.0.113.77` };
      outcomes.push(await endingOf(service.auth().login({ ...WRONG, identifier: 'b' }, { headers })));
    }
    expect(outcomes[5]).toBe(REFUSED);
  });
});

describe('LATCHKEY_RATE_LIMITS=off', () => {
  it('counts no call and sends no headers', async () => {
    const open = await startTestService({ variables: { RATE_LIMITS: 'off' } });
    let headers = new Headers();
    for (let time = 1; time <= 20; time += 1)
      await open
        .auth()
        .requestPasswordReset({ email: 'a@example.com' }, { onHeader: (seen) => (headers = seen) })
        .catch(() => undefined);
    const ending = await endingOf(open.auth().requestPasswordReset({ email: 'a@example.com' }));
    await open.stop();
    expect(ending).not.toBe(REFUSED);
    expect(limitIn(headers)).toBe('- - -');
  });
});

describe('the pipeline', () => {
  const deps = (rateLimiter: RateLimiter) => ({
    accessTable: accessTable([AuthService, UserService], { anonymousValidation: true }),
    authenticate: () => {
      throw new Error('nobody calls');
    },
    clientAddress: () => '192.0.2.1',
    cookieOrigins: new Set<string>(),
    accessRefusals: { note: () => undefined },
    rateLimiter,
    clock,
    logger: createLogger('silent'),
    maxCallMs: 1_000,
    activeCalls: new ActiveCalls(),
  });
  const transport = {
    headerValues: () => [],
    takesCookies: false,
    timeoutMs: undefined,
    peerAddress: '192.0.2.1',
    onCancelled: () => undefined,
  };
  const serve = (limiter: RateLimiter, method: DescMethod, handler: Handler) =>
    serveMethod(
      deps(limiter),
      method,
      handler,
    )(transport, () => ({
      bytes: undefined,
      decode: () => create(method.input),
    }));

  it('reports the tightest of the limits that a call was counted toward', async () => {
    const limiter = memoryRateLimiter(clock, LIMIT_TABLE);
    const serveLogin = (account: string) =>
      serve(limiter, AuthService.method.login, async (_request, call) => {
        await call.charge();
        await call.noting(limiter).consume('login', 'account', account);
        return create(LoginResponseSchema);
      });
    // From other addresses: the account has two of its ten left.
    for (let time = 1; time <= 8; time += 1) await limiter.consume('login', 'account', 'ada');
    const told = [];
    for (const account of ['bob', 'ada', 'ada', 'ada', 'bob']) {
      const { call } = await serveLogin(account);
      told.push(`${call?.limit?.remaining} of ${call?.limit?.limit}`);
    }
    expect(told).toEqual(['4 of 5', '1 of 10', '0 of 10', '0 of 10', '0 of 5']);
  });

  it('does not ask the limiter about a call without a limit, and answers it at once', () => {
    const untouchable: RateLimiter = {
      consume() {
        throw new Error('asked');
      },
      requireLeft() {
        throw new Error('asked');
      },
    };
    const { validateToken } = AuthService.method;
    const outcome = serve(untouchable, validateToken, () => create(validateToken.output));
    expect(outcome).toHaveProperty('response');
  });
});
