// The adapter of unary gRPC calls on a real HTTP/2 stream: what the pipeline is told, and what of its answer goes out.

import { once } from 'node:events';
import { create } from '@bufbuild/protobuf';
import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { AuthService, GetJwksResponseSchema } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { GrpcUnary } from '../../src/edge/grpc/unary.ts';
import type { Transport } from '../../src/edge/pipeline/call.ts';
import { Call } from '../../src/edge/pipeline/call.ts';
import type { ServeMethod } from '../../src/edge/pipeline/pipeline.ts';

const { method } = AuthService;
let server: ReturnType<typeof createServer>;
let client: ClientHttp2Session;
afterEach(() => {
  client.destroy();
  server.close();
});

async function start(serve: ServeMethod, maxResponseBytes = 1_000): Promise<void> {
  const unary = new GrpcUnary(method.getJwks, serve, maxResponseBytes);
  server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined).resume();
    unary.handle({ stream, headers, message: Buffer.alloc(0), timeoutMs: 70 });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port }: AddressInfo = server.address() as AddressInfo;
  client = connect(`http://127.0.0.1:${port}`);
}

const request = () => client.request({ ':path': '/', ':method': 'POST', 'x-a': 'b' }).end();

const SETTING = { clientAddress: () => '', cookieOrigins: new Set<string>() };

const jwks = (transport: Transport, size = 1) => ({
  response: create(GetJwksResponseSchema, { keys: [{ kid: 'k'.repeat(size) }] }),
  call: new Call('latchkey.v1.AuthService/GetJwks', transport, SETTING),
});

/** The status that stands in the trailers, or in the head that is all. */
async function statusOf(stream: ReturnType<typeof request>): Promise<string | undefined> {
  let status: string | string[] | undefined;
  const read = (headers: IncomingHttpHeaders) => {
    status = headers['grpc-status'] ?? status;
  };
  stream.on('response', read).on('trailers', read).resume();
  await once(stream, 'close');
  return status?.toString();
}

it('tells the pipeline of headers, message, deadline and the other end', async () => {
  let seen: Transport | undefined;
  let bytes: number | undefined;
  await start((transport, decode) => {
    seen = transport;
    bytes = decode().bytes?.length;
    return jwks(transport);
  });
  expect(await statusOf(request())).toBe('0');
  expect([seen?.headerValues('x-a'), seen?.headerValues('x-b')]).toEqual([['b'], []]);
  expect([seen?.timeoutMs, seen?.takesCookies, bytes]).toEqual([70, false, 0]);
});

it('tells of a caller who goes before the answer', async () => {
  const gone = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await start(async (transport) => {
    transport.onCancelled(gone.resolve);
    begun.resolve();
    await gone.promise;
    return jwks(transport);
  });
  const stream = request();
  stream.on('error', () => undefined);
  await begun.promise;
  stream.close(constants.NGHTTP2_CANCEL);
  await gone.promise;
});

it('tells of no such thing when the caller has its answer', async () => {
  let isGone = false;
  await start((transport) => {
    transport.onCancelled(() => {
      isGone = true;
    });
    return jwks(transport);
  });
  expect(await statusOf(request())).toBe('0');
  expect(isGone).toBe(false);
});

it('tells at once where the caller has gone already', async () => {
  const told = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  await start(async (transport) => {
    begun.resolve();
    await closed.promise;
    transport.onCancelled(told.resolve);
    return jwks(transport);
  });
  server.on('stream', (stream: ServerHttp2Stream) => stream.once('close', closed.resolve));
  const stream = request();
  stream.on('error', () => undefined);
  await begun.promise;
  stream.close(constants.NGHTTP2_CANCEL);
  await told.promise;
});

it('sends no more than it may', async () => {
  await start((transport) => jwks(transport, 2_000));
  expect(await statusOf(request())).toBe('8');
});
