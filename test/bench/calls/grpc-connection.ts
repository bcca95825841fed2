// A connection of a load client over HTTP/2 that makes one unary gRPC call again and again. It writes the frames itself and reads no header,
// which costs a tenth of what a gRPC library does: the server must be the bottleneck.

import { connect } from 'node:net';
import type { Connection, LoadRequest } from './load-request.ts';

// RFC 9113, section 6.
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, windowUpdate: 8 } as const;
const FLAG = { endStream: 1, ack: 1, endHeaders: 4 } as const;
const FRAME_HEAD = 9;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
// The server may send 65,535 bytes on a connection before it must be told that they were read.
const WINDOW_STEP = 32_768;

/** Opens a connection; calls are written when it is flushed, together. An answer without a message (an error) is not good. */
export function openGrpcConnection(request: LoadRequest, onAnswer: (isGood: boolean) => void): Connection {
  const { hostname, port } = new URL(request.url);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  const blocks = headerBlocks(request);
  const message = grpcMessage(request);
  const withMessage = new Set<number>();
  let unsent: Buffer[] = [Buffer.from(PREFACE), frame(FRAME.settings, 0, 0, Buffer.alloc(0))];
  let unread: Buffer = Buffer.alloc(0);
  let stream = -1;
  let received = 0;

  const answer = (id: number, isGood: boolean) => {
    withMessage.delete(id);
    onAnswer(isGood);
  };
  const onFrame = (type: number, flags: number, id: number, payload: Buffer) => {
    if (type === FRAME.settings && (flags & FLAG.ack) === 0)
      unsent.push(frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0)));
    if (type === FRAME.ping && (flags & FLAG.ack) === 0) unsent.push(frame(FRAME.ping, FLAG.ack, 0, payload));
    if (type === FRAME.data) {
      withMessage.add(id);
      received += payload.length;
    }
    if (type === FRAME.reset) answer(id, false);
    const isEnd = (type === FRAME.headers || type === FRAME.data) && (flags & FLAG.endStream) !== 0;
    if (isEnd) answer(id, withMessage.has(id));
  };
  const flush = () => {
    if (received >= WINDOW_STEP) {
      unsent.push(windowUpdate(received));
      received = 0;
    }
    if (unsent.length > 0) socket.write(Buffer.concat(unsent));
    unsent = [];
  };
  socket.on('data', (chunk: Buffer) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    let start = 0;
    while (unread.length - start >= FRAME_HEAD) {
      const end = start + FRAME_HEAD + unread.readUIntBE(start, 3);
      if (unread.length < end) break;
      const id = unread.readUInt32BE(start + 5) & 0x7fffffff;
      onFrame(unread[start + 3] ?? 0, unread[start + 4] ?? 0, id, unread.subarray(start + FRAME_HEAD, end));
      start = end;
    }
    unread = unread.subarray(start);
    flush();
  });
  return {
    call() {
      stream += 2;
      const block = stream === 1 ? blocks.first : blocks.later;
      unsent.push(frame(FRAME.headers, FLAG.endHeaders, stream, block));
      unsent.push(frame(FRAME.data, FLAG.endStream, stream, message));
    },
    flush,
    socket,
  };
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  payload.copy(bytes, FRAME_HEAD);
  return bytes;
}

function windowUpdate(increment: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(increment);
  return frame(FRAME.windowUpdate, 0, 0, payload);
}

/** The message behind its compressed flag and length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
function grpcMessage({ body }: LoadRequest): Buffer {
  const message = Buffer.from(body, 'base64');
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The headers as HPACK: the first request puts each into the dynamic table, later ones name its place there, as gRPC libraries do. */
function headerBlocks({ url, headers }: LoadRequest): { readonly first: Buffer; readonly later: Buffer } {
  const { host, pathname } = new URL(url);
  const fields = Object.entries({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': pathname,
    ':authority': host,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  const text = (value: string) => Buffer.concat([integer(value.length, 7, 0), Buffer.from(value, 'latin1')]);
  const first = fields.flatMap(([name, value]) => [Buffer.from([0x40]), text(name), text(value)]);
  // The newest entry comes first, behind the 61 of the static table (RFC 7541, section 2.3.3).
  const later = fields.map((_, index) => integer(62 + fields.length - 1 - index, 7, 0x80));
  return { first: Buffer.concat(first), later: Buffer.concat(later) };
}

/** An integer whose first byte leaves it `bits` bits beside `flags` (RFC 7541, section 5.1). */
function integer(value: number, bits: number, flags: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([flags | value]);
  const bytes = [flags | most];
  let rest = value - most;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}
