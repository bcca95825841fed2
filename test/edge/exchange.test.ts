// What is told of a caller who goes before the answer, over HTTP/1.1 and HTTP/2.

import type { EventEmitter } from 'node:events';
import { request as requestHttp1 } from 'node:http';
import { connect, constants } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HttpExchange } from '../../src/edge/http/exchange.ts';
import { UnfinishedRequests } from '../../src/edge/transport/unfinished-requests.ts';
import type { RunningHttpServer } from '../../src/edge/http/server.ts';
import { startHttpServer } from '../../src/edge/http/server.ts';
import { selfSigned, type Certificate } from '../support/certificates.ts';
import { temporaryFolder } from '../support/child-service.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let certificate: Certificate;
beforeAll(async () => {
  folder = await temporaryFolder();
  certificate = selfSigned(folder.path, 'exchange');
});
afterAll(() => folder.remove());

let server: RunningHttpServer;
afterEach(() => server.close(0));

async function start(isTls: boolean, handler: (exchange: HttpExchange) => void): Promise<void> {
  const { cert, key } = certificate;
  server = await startHttpServer(
    {
      tls: isTls ? { cert, key, clientCa: undefined } : undefined,
      hsts: 'off',
      allowedOrigins: new Set(),
      maxConcurrentStreams: 10,
      connections: { maxConnections: 10, maxPerAddress: 10, keyOf: (key) => key, isExempt: () => false },
      onConnectionRefused: () => undefined,
      unfinished: new UnfinishedRequests({
        maxRequests: 10,
        maxBytes: 1_000_000,
        maxBytesPerConnection: 1_000_000,
        timeoutMs: 10_000,
      }),
      handler,
    },
    '127.0.0.1:0',
  );
}

const closed = (emitter: EventEmitter) =>
  new Promise<void>((resolve) => emitter.once('close', () => resolve()));

/** A GET, and how its caller goes. */
const CALLERS = {
  'HTTP/1.1': {
    isTls: false,
    call() {
      const sent = requestHttp1({ port: server.port, host: '127.0.0.1' }).on('error', () => undefined);
      sent.on('response', (response) => response.resume()).end();
      return { leave: () => sent.destroy(), ended: closed(sent) };
    },
  },
  'HTTP/2': {
    isTls: true,
    call() {
      const session = connect(`https://127.0.0.1:${server.port}`, { ca: certificate.cert });
      const stream = session.request({ ':path': '/' }).on('error', () => undefined);
      stream.resume();
      stream.on('close', () => session.destroy());
      return {
        leave: () => stream.close(constants.NGHTTP2_CANCEL),
        ended: closed(stream),
      };
    },
  },
};

describe.each(Object.entries(CALLERS))('over %s', (_name, { isTls, call }) => {
  it('a caller who goes early is told of', async () => {
    const begun = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    await start(isTls, (exchange) => {
      exchange.onGone(gone.resolve);
      begun.resolve();
    });
    const caller = call();
    await begun.promise;
    caller.leave();
    await gone.promise;
  });

  it('a caller who has the answer is not', async () => {
    let isGone = false;
    await start(isTls, (exchange) => {
      exchange.onGone(() => {
        isGone = true;
      });
      exchange.send(200, 'ok');
    });
    await call().ended;
    await server.close(1_000);
    expect(isGone).toBe(false);
  });
});
