// A lean gRPC client for floods: thousands of calls at once from the test's own process must not starve the server in it.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, status } from '@grpc/grpc-js';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';

/** What a call came to: the status by name, and the tokens when it was OK. */
export type FloodOutcome = { readonly code: string; readonly refreshToken?: string };

/** A connection of its own. */
export class FloodClient {
  readonly #client: Client;

  /** Connects to host:port. */
  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  /** Calls RefreshToken; never rejects. */
  refresh(refreshToken: string): Promise<FloodOutcome> {
    const method = AuthService.method.refreshToken;
    const path = `/${AuthService.typeName}/${method.name}`;
    const toBytes = (token: string) =>
      Buffer.from(toBinary(method.input, create(method.input, { refreshToken: token })));
    const fromBytes = (bytes: Buffer) => fromBinary(method.output, bytes);
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(path, toBytes, fromBytes, refreshToken, (error, response) => {
        if (error !== null) resolve({ code: status[error.code] });
        else resolve({ code: 'OK', refreshToken: response?.tokens?.refreshToken ?? '' });
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}
