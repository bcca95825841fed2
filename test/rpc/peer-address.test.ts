// The address at the other end of a gRPC connection, also where the library writes an IPv6 address and a port as if they were one address.

import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { bearer, signUp, startTestService, type TestService } from '../support/service.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);

/** Connects from a port of four digits, of those that are free. */
function connectFromShortPort(port: number): Promise<Socket> {
  const localPort = 5_000 + Math.floor(Math.random() * 4_999);
  const socket = connect({ host: '::1', port, localAddress: '::1', localPort });
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(connectFromShortPort(port));
      else reject(error);
    });
  });
}

describe.skipIf(!hasIpv6)('a caller over IPv6 whose port has four digits', () => {
  let service: TestService;
  let relay: Server;
  beforeAll(async () => {
    service = await startTestService({ variables: { GRPC_ADDRESS: '[::1]:0' } });
    relay = createServer((from) => {
      void connectFromShortPort(service.running.grpcPort).then((to) => {
        from.pipe(to).pipe(from);
        from.on('error', () => to.destroy());
        to.on('error', () => from.destroy());
      });
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    relay.close();
    await service.stop();
  });

  it('comes from its own address', async () => {
    const direct = createClient(
      AuthService,
      createGrpcTransport({ baseUrl: `http://[::1]:${service.running.grpcPort}` }),
    );
    const person = { email: 'six@example.com', password: 'Correct-Horse-42-Staple!', fullName: 'Six' };
    await direct.register(person);
    const { outcome } = await direct.login({ identifier: person.email, password: person.password });
    const tokens = outcome.case === 'tokens' ? outcome.value : await signUp(service, 'never');
    const { secret } = await service
      .user('connect')
      .createApiKey(
        { displayName: 'A', scopes: ['account:read'], allowedCidrs: ['::1'] },
        bearer(tokens.accessToken),
      );
    const { port } = relay.address() as AddressInfo;
    const relayed = createClient(AuthService, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));
    const { scopes } = await relayed.exchangeApiKey({}, { headers: { 'x-api-key': secret } });
    expect(scopes).toEqual(['account:read']);
  });
});
