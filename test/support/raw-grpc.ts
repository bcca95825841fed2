// Speaks HTTP/2 to the gRPC port without a gRPC library, and says how each stream ended.

import { connect, constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import type { DescMethod } from '@bufbuild/protobuf';

/** How a stream ended; `status` is HTTP's, `grpcStatus` stands in headers or trailers. */
export type RawEnd = {
  readonly status: number | undefined;
  readonly grpcStatus: string | undefined;
  readonly message: string;
  readonly requestId: string | undefined;
};

/** A session to `address` (host:port); errors are left to its streams. */
export function openSession(address: string): ClientHttp2Session {
  const session = connect(`http://${address}`);
  session.on('error', () => undefined);
  return session;
}

/** Sends `pieces` as the body of one request; leaves it open unless `end`. `sent` counts what was written. */
export function rawStream(
  session: ClientHttp2Session,
  method: DescMethod,
  pieces: readonly Uint8Array[],
  options: { readonly headers?: Record<string, string>; readonly end?: boolean } = {},
) {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/${method.parent.typeName}/${method.name}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...options.headers,
  });
  let seen: IncomingHttpHeaders = {};
  const note = (headers: IncomingHttpHeaders) => {
    seen = { ...seen, ...headers };
  };
  stream.on('response', note);
  stream.on('trailers', note);
  stream.on('error', () => undefined);
  stream.resume();
  for (const piece of pieces) stream.write(piece);
  if (options.end !== false) stream.end();
  const ended = new Promise<RawEnd>((resolve) => {
    stream.on('close', () => {
      const status = seen[constants.HTTP2_HEADER_STATUS];
      resolve({
        status: status === undefined ? undefined : Number(status),
        grpcStatus: textOf(seen['grpc-status']),
        message: decodeURIComponent(textOf(seen['grpc-message']) ?? ''),
        requestId: textOf(seen['x-request-id']),
      });
    });
  });
  return { stream, ended };
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.join(', ');
}
