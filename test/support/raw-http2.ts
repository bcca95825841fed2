// Writes the frames of an HTTP/2 request by hand (RFC 9113, RFC 7541), for what no HTTP/2 client agrees to send.

import type { Duplex } from 'node:stream';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const [HEADERS, SETTINGS] = [1, 4];
const END_STREAM_AND_HEADERS = 0x5;

/** Sends a request without a body as the first of a connection. Names and values have less than 127 bytes. */
export function sendRawRequest(socket: Duplex, headers: ReadonlyArray<readonly [string, string]>): void {
  const block = Buffer.concat(headers.map(([name, value]) => literal(name, value)));
  socket.write(
    Buffer.concat([
      Buffer.from(PREFACE),
      frame(SETTINGS, 0, 0),
      frame(HEADERS, END_STREAM_AND_HEADERS, 1, block),
    ]),
  );
}

// A literal header field without indexing, with a new name and without Huffman coding: RFC 7541, section 6.2.2.
function literal(name: string, value: string): Buffer {
  return Buffer.from([0, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]);
}

function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
