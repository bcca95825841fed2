// HTTP/2 connections while the service stops, on both ports: GOAWAY, the call under way is answered, and the connection ends.

import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LoginRequestSchema } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { selfSigned, type Certificate } from '../support/certificates.ts';
import { temporaryFolder } from '../support/child-service.ts';
import { frame } from '../support/raw-calls.ts';
import { GOOD_PASSWORD, startTestService, type TestService } from '../support/service.ts';

const LOGIN = { identifier: 'ada@example.com', password: GOOD_PASSWORD };
const PATH = '/latchkey.v1.AuthService/Login';
const NO_ERROR = 0;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let certificate: Certificate;
let service: TestService;
beforeAll(async () => {
  folder = await temporaryFolder();
  certificate = selfSigned(folder.path, 'server');
});
afterAll(() => folder.remove());

beforeEach(async () => {
  service = await startTestService({
    variables: {
      TLS_CERT_FILE: certificate.certFile,
      TLS_KEY_FILE: certificate.keyFile,
      // So that a login is under way for long enough to be stopped in.
      ARGON2_MEMORY_KIB: '65536',
      SHUTDOWN_GRACE: '30s',
    },
  });
});
afterEach(() => service.stop());

const protobuf = frame(toBinary(LoginRequestSchema, create(LoginRequestSchema, LOGIN)));
const PORTS = [
  ['the gRPC port', () => service.running.grpcPort, 'application/grpc', protobuf],
  ['the HTTP port', () => service.running.httpPort, 'application/json', Buffer.from(JSON.stringify(LOGIN))],
] as const;

describe.each(PORTS)('%s', (_name, port, type, body) => {
  it.each([
    ['a call that is under way', body.length],
    ['a call whose request is still arriving', 9],
  ])('answers %s', async (_what, sentBefore) => {
    const session = connect(`https://127.0.0.1:${port()}`, { ca: certificate.cert, servername: 'localhost' });
    await once(session, 'connect');
    const goaway = once(session, 'goaway');
    const closed = once(session, 'close');
    const { stream, answer } = login(session, type);
    stream.write(body.subarray(0, sentBefore));
    if (sentBefore === body.length) stream.end();
    // Answered when what was sent before it has been read.
    await new Promise<void>((resolve) => session.ping(() => resolve()));
    const stopped = service.running.stop();
    expect((await goaway)[0]).toBe(NO_ERROR);
    if (sentBefore < body.length) stream.end(body.subarray(sentBefore));
    expect(await answer).toMatch(/INVALID_CREDENTIALS|identifier or the password is wrong/);
    await stopped;
    await closed;
  });
});

/** The request, and what the answer says, wherever it says it. */
function login(session: ClientHttp2Session, type: string) {
  const stream = session.request({ ':method': 'POST', ':path': PATH, 'content-type': type, te: 'trailers' });
  const said: string[] = [];
  for (const event of ['response', 'trailers'] as const)
    stream.on(event, (headers) => said.push(decodeURIComponent(String(headers['grpc-message']))));
  stream.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  return { stream, answer: once(stream, 'close').then(() => said.join(' ')) };
}
