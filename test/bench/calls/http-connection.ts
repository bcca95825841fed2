// A connection of a load client over HTTP/1.1 that sends one request again and again. It reads just enough of a response to know its end.

import { connect } from 'node:net';
import type { Connection, LoadRequest } from './load-request.ts';

/** Opens a keep-alive connection. Its calls are made one after another: nothing is pipelined. */
export function openHttpConnection(request: LoadRequest, onAnswer: (isGood: boolean) => void): Connection {
  const { hostname, port } = new URL(request.url);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  const bytes = requestBytes(request);
  let unread: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    if (!isWhole(unread)) return;
    const isGood = unread.subarray(9, 12).toString('latin1') === '200';
    unread = Buffer.alloc(0);
    onAnswer(isGood);
  });
  return { call: () => void socket.write(bytes), flush: () => undefined, socket };
}

function requestBytes({ url, method, headers, body }: LoadRequest): Buffer {
  const { host, pathname, search } = new URL(url);
  const content = Buffer.from(body, 'base64');
  const lines = Object.entries({
    host,
    ...headers,
    ...(method === 'POST' ? { 'content-length': String(content.length) } : {}),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`),
    content,
  ]);
}

/** Whether the bytes hold a whole response, by its Content-Length or its last chunk (RFC 9112, section 6). */
function isWhole(bytes: Buffer): boolean {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString('latin1', 0, headEnd))?.[1];
  if (length !== undefined) return bytes.length >= headEnd + 4 + Number(length);
  return bytes.toString('latin1', bytes.length - 5) === '0\r\n\r\n';
}
