// Sends any bytes as the request of an RPC, and reads the answer without the help of generated code.

import { fromBinary, type DescMethod } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { z } from 'zod';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import type { Protocol, TestService } from './service.ts';

/** How a call ended: `OK` or the code's name, with ErrorInfo.reason when there is one. */
export type RawAnswer = { readonly code: string; readonly reason: string; readonly body: Buffer };

type RawHeaders = Readonly<Record<string, string>>;

const OK = 'OK';

/** Calls `method` with `bytes` as the request message. A stream is left after its first message. */
export function rawCall(
  service: TestService,
  protocol: Protocol,
  method: DescMethod,
  bytes: Uint8Array,
  headers: RawHeaders = {},
): Promise<RawAnswer> {
  if (protocol === 'grpc') return overGrpc(service, method, bytes, headers);
  if (protocol === 'grpc-web') return overGrpcWeb(service, method, frame(bytes), headers);
  if (method.methodKind !== 'unary') return overConnectStream(service, method, 'proto', bytes, headers);
  return overConnect(service, method, 'application/proto', bytes, headers);
}

/** Calls `method` by Connect with a text as the JSON of the request. */
export function jsonCall(
  service: TestService,
  method: DescMethod,
  text: string,
  headers: RawHeaders = {},
): Promise<RawAnswer> {
  if (method.methodKind !== 'unary')
    return overConnectStream(service, method, 'json', Buffer.from(text), headers);
  return overConnect(service, method, 'application/json', Buffer.from(text), headers);
}

function isStreaming(method: DescMethod): boolean {
  return method.methodKind === 'server_streaming';
}

/** The bytes as one message of gRPC's framing; `length` lies about how many there are. */
export function frame(bytes: Uint8Array, length = bytes.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function overGrpc(service: TestService, method: DescMethod, bytes: Uint8Array, headers: RawHeaders) {
  const client = new Client(service.grpcAddress, credentials.createInsecure());
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const same = (buffer: Buffer) => buffer;
  return new Promise<RawAnswer>((resolve) => {
    const done = (error: ServiceError | null, body: Buffer | undefined) => {
      client.close();
      resolve(
        error === null
          ? { code: OK, reason: '', body: body ?? Buffer.alloc(0) }
          : answer(error.code, error.metadata?.get('grpc-status-details-bin')[0]),
      );
    };
    if (method.methodKind === 'client_streaming') {
      const upload = client.makeClientStreamRequest(pathOf(method), same, same, metadata, done);
      upload.end(Buffer.from(bytes));
      return;
    }
    if (!isStreaming(method)) {
      client.makeUnaryRequest(pathOf(method), same, same, Buffer.from(bytes), metadata, done);
      return;
    }
    const stream = client.makeServerStreamRequest(pathOf(method), same, same, Buffer.from(bytes), metadata);
    stream.on('error', (error: ServiceError) => done(error, undefined));
    stream.once('data', (body: Buffer) => done(null, body));
    stream.once('end', () => done(null, undefined));
  });
}

/** Calls by gRPC-Web with a body that may break its framing. */
export async function overGrpcWeb(
  service: TestService,
  method: DescMethod,
  body: Uint8Array,
  headers: RawHeaders = {},
): Promise<RawAnswer> {
  const response = await fetch(service.httpUrl + pathOf(method), {
    method: 'POST',
    headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1', ...headers },
    body: Buffer.from(body),
  });
  const bytes = isStreaming(method) ? await firstFrame(response) : Buffer.from(await response.arrayBuffer());
  if (isStreaming(method) && ((bytes[0] ?? 0x80) & 0x80) === 0) return { code: OK, reason: '', body: bytes };
  const trailers = trailersOf(bytes) ?? response.headers;
  const status = Number(trailers.get('grpc-status') ?? Number.NaN);
  if (status === 0) return { code: OK, reason: '', body: bytes };
  const details = trailers.get('grpc-status-details-bin');
  return answer(status, details === null ? undefined : Buffer.from(details, 'base64'));
}

// All there is when there is less than a frame.
async function firstFrame(response: Response): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of response.body ?? []) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) break;
  }
  return bytes.subarray(0, bytes.length < 5 ? undefined : 5 + bytes.readUInt32BE(1));
}

// The frame whose flag has the highest bit set holds the trailers as text.
function trailersOf(body: Buffer): Headers | undefined {
  for (let at = 0; at + 5 <= body.length; at += 5 + body.readUInt32BE(at + 1)) {
    if ((body.readUInt8(at) & 0x80) === 0) continue;
    const text = body.subarray(at + 5, at + 5 + body.readUInt32BE(at + 1)).toString();
    const lines = text.split('\r\n').filter((line) => line !== '');
    return new Headers(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
      }),
    );
  }
  return undefined;
}

const ConnectFailure = z.object({
  code: z.string(),
  details: z.array(z.object({ type: z.string(), value: z.string() })).default([]),
});

async function overConnect(
  service: TestService,
  method: DescMethod,
  contentType: string,
  bytes: Uint8Array,
  headers: RawHeaders,
): Promise<RawAnswer> {
  const response = await fetch(service.httpUrl + pathOf(method), {
    method: 'POST',
    headers: { 'content-type': contentType, ...headers },
    body: Buffer.from(bytes),
  });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.ok) return { code: OK, reason: '', body };
  return connectFailure(ConnectFailure.parse(JSON.parse(body.toString())), body);
}

const ConnectEnd = z.object({ error: ConnectFailure.optional() });

// Connect's streams are frames, and the last (its flag has the second bit set) holds the error as JSON.
async function overConnectStream(
  service: TestService,
  method: DescMethod,
  format: 'proto' | 'json',
  bytes: Uint8Array,
  headers: RawHeaders,
): Promise<RawAnswer> {
  const response = await fetch(service.httpUrl + pathOf(method), {
    method: 'POST',
    headers: { 'content-type': `application/connect+${format}`, ...headers },
    body: frame(bytes),
  });
  const body = await firstFrame(response);
  if (((body[0] ?? 0) & 0x02) === 0) return { code: OK, reason: '', body };
  const { error } = ConnectEnd.parse(JSON.parse(body.subarray(5).toString()));
  return error === undefined ? { code: OK, reason: '', body } : connectFailure(error, body);
}

function connectFailure(failure: z.infer<typeof ConnectFailure>, body: Buffer): RawAnswer {
  const info = failure.details.find(({ type }) => type === ErrorInfoSchema.typeName);
  const code = failure.code.replace(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase());
  const reason =
    info === undefined ? '' : fromBinary(ErrorInfoSchema, Buffer.from(info.value, 'base64')).reason;
  return { code, reason, body };
}

function answer(status: number, details: string | Buffer | undefined): RawAnswer {
  const code = Code[status] ?? `status ${status}`;
  if (details === undefined) return { code, reason: '', body: Buffer.alloc(0) };
  const bytes = typeof details === 'string' ? Buffer.from(details, 'base64') : details;
  const [info] = fromBinary(StatusSchema, bytes)
    .details.map((any) => anyUnpack(any, ErrorInfoSchema))
    .filter((found) => found !== undefined);
  return { code, reason: info?.reason ?? '', body: bytes };
}
