// TLS and mTLS on both ports: which versions, which protocols, and which clients are accepted.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { join } from 'node:path';
import { connect as connectTls, type SecureVersion } from 'node:tls';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { selfSigned, type Certificate } from '../support/certificates.ts';
import { temporaryFolder } from '../support/child-service.ts';
import { startTestService, type TestService } from '../support/service.ts';

type ClientIdentity = { readonly cert?: Buffer; readonly key?: Buffer };

// Which of them depends on how far the client had got when the server cut it off.
const REFUSED = /socket|closed|reset|alert|disconnect|fetch failed|EPIPE|certificate/i;

const PROBE = join(import.meta.dirname, '../../src/cli/probe.ts');

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: Certificate;
let trustedClient: Certificate;
let stranger: Certificate;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = selfSigned(folder.path, 'server');
  trustedClient = selfSigned(folder.path, 'client');
  stranger = selfSigned(folder.path, 'stranger');
});
afterAll(() => folder.remove());

/** The negotiated version. Errors: when the handshake fails. */
function handshake(port: number, version: SecureVersion): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      ca: server.cert,
      minVersion: version,
      maxVersion: version,
      ALPNProtocols: ['h2'],
      // Lets this side offer what the other must refuse.
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    socket.on('secureConnect', () => {
      resolve(socket.getProtocol());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** GET over HTTP/1.1: the status and the headers. */
function getHttp1(port: number, path: string, identity: ClientIdentity = {}) {
  return new Promise<{ status: number | undefined; version: string; hsts: unknown }>((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, ca: server.cert, agent: false, ...identity },
      (response) => {
        response.resume();
        resolve({
          status: response.statusCode,
          version: response.httpVersion,
          hsts: response.headers['strict-transport-security'],
        });
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

/** GET over HTTP/2: the status. */
function getHttp2(port: number, path: string, identity: ClientIdentity = {}) {
  return new Promise<{ status: number | undefined; hsts: unknown }>((resolve, reject) => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: server.cert, ...identity });
    session.on('error', reject);
    const stream = session.request({ ':path': path });
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('closed without an answer')));
    stream.on('response', (headers) => {
      resolve({ status: headers[':status'], hsts: headers['strict-transport-security'] });
      session.close();
    });
    stream.resume();
  });
}

function grpc(port: number, identity: ClientIdentity = {}) {
  const nodeOptions = { ca: server.cert, ...identity };
  return createClient(
    AuthService,
    createGrpcTransport({ baseUrl: `https://127.0.0.1:${port}`, nodeOptions }),
  );
}

describe('with TLS', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({
      variables: { TLS_CERT_FILE: server.certFile, TLS_KEY_FILE: server.keyFile },
    });
  });
  afterAll(() => service.stop());

  it.each(['grpcPort', 'httpPort'] as const)('%s speaks TLS 1.2 and 1.3, and nothing older', async (name) => {
    const port = service.running[name];
    expect(await handshake(port, 'TLSv1.3')).toBe('TLSv1.3');
    expect(await handshake(port, 'TLSv1.2')).toBe('TLSv1.2');
    await expect(handshake(port, 'TLSv1.1')).rejects.toThrow(/protocol version|alert/i);
    await expect(handshake(port, 'TLSv1')).rejects.toThrow(/protocol version|alert/i);
  });

  it('serves HTTP/1.1 and HTTP/2 beside each other, with HSTS', async () => {
    const hsts = 'max-age=31536000';
    const port = service.running.httpPort;
    expect(await getHttp1(port, '/healthz')).toEqual({ status: 200, version: '1.1', hsts });
    expect(await getHttp2(port, '/healthz')).toEqual({ status: 200, hsts });
  });

  it('serves gRPC', async () => {
    expect((await grpc(service.running.grpcPort).getJwks({})).keys).toHaveLength(1);
  });

  it.each(['grpcPort', 'httpPort'] as const)('does not answer plain text on %s', async (name) => {
    await expect(fetch(`http://127.0.0.1:${service.running[name]}/healthz`)).rejects.toThrow(REFUSED);
  });
});

describe('with mTLS', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({
      variables: {
        TLS_CERT_FILE: server.certFile,
        TLS_KEY_FILE: server.keyFile,
        TLS_CLIENT_CA_FILE: trustedClient.certFile,
        HSTS: 'subdomains',
        HEALTH_SOCKET: join(folder.path, 'health.sock'),
      },
    });
  });
  afterAll(() => service.stop());

  const identities = () => ({ none: {}, stranger: { cert: stranger.cert, key: stranger.key } });
  const trusted = () => ({ cert: trustedClient.cert, key: trustedClient.key });

  it('accepts a client with a certificate of the authority', async () => {
    const { httpPort, grpcPort } = service.running;
    expect((await getHttp1(httpPort, '/healthz', trusted())).status).toBe(200);
    expect((await getHttp2(httpPort, '/healthz', trusted())).status).toBe(200);
    expect((await grpc(grpcPort, trusted()).getJwks({})).keys).toHaveLength(1);
  });

  it.each(['none', 'stranger'] as const)('refuses the handshake of a client with %s', async (who) => {
    const { httpPort, grpcPort } = service.running;
    await expect(getHttp1(httpPort, '/healthz', identities()[who])).rejects.toThrow(REFUSED);
    await expect(getHttp2(httpPort, '/healthz', identities()[who])).rejects.toThrow(REFUSED);
    await expect(grpc(grpcPort, identities()[who]).getJwks({})).rejects.toThrow(REFUSED);
  });

  it('sets HSTS for subdomains where it is configured', async () => {
    const { hsts } = await getHttp1(service.running.httpPort, '/healthz', trustedClient);
    expect(hsts).toBe('max-age=31536000; includeSubDomains');
  });

  it('answers the probe of the container, which has no certificate, over its socket', async () => {
    const probe = async (path: string) => {
      const environment = { ...process.env, LATCHKEY_HEALTH_SOCKET: path };
      const child = spawn(process.execPath, [PROBE], { env: environment, stdio: 'ignore' });
      await once(child, 'exit');
      return child.exitCode;
    };
    const path = join(folder.path, 'health.sock');
    expect(await probe(path)).toBe(0);
    expect(await probe(join(folder.path, 'nobody.sock'))).toBe(1);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    // Stale: it cannot know what is revoked.
    const fresh = vi.spyOn(service.app.revocationIndex, 'isFresh').mockReturnValue(false);
    expect(await probe(path)).toBe(1);
    fresh.mockRestore();
  });
});
