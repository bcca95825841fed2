// A list of breached passwords on this machine, which speaks the range API of Have I Been Pwned and keeps every byte that it was sent.

import { createHash } from 'node:crypto';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { eventually } from './eventually.ts';
import { freePort } from './private-server.ts';

/** What the server does with a request: writes to the socket, or does not. */
export type Answer = (socket: Socket) => void;

export type RangeServer = {
  readonly url: string;
  /** All that arrived, request by request. */
  readonly received: readonly string[];
  /** How the next requests are answered. */
  answerWith(answer: Answer): void;
  stop(): Promise<void>;
};

/** The SHA-1 of the password as the API writes it. */
export function sha1(password: string): string {
  return createHash('sha1').update(password).digest('hex').toUpperCase();
}

/** A whole HTTP answer; the connection is closed behind it. */
export function http(status: string, body: string | Buffer, headers: readonly string[] = []): Answer {
  const bytes = Buffer.from(body);
  const head = [
    `HTTP/1.1 ${status}`,
    `content-length: ${bytes.length}`,
    'connection: close',
    ...headers,
    '',
    '',
  ];
  return (socket) => socket.end(Buffer.concat([Buffer.from(head.join('\r\n')), bytes]));
}

/** A range as the API answers it: these passwords with their counts, among others. */
export function range(entries: Readonly<Record<string, number>>): Answer {
  const lines = Object.entries(entries).map(([password, count]) => `${sha1(password).slice(5)}:${count}`);
  const others = ['0018A45C4D1DEF81644B54AB7F969B88D65:1', '00D4F6E8FA6EECAD2A3AA415EEC418D38EC:2'];
  return http('200 OK', [...others, ...lines, '011053FD0102E94D6AE2F8B83D76FAF94F6:0'].join('\r\n'));
}

/** Starts one on a free port; it knows no password at first. */
export async function startRangeServer(): Promise<RangeServer> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  let answer = range({});
  const port = await freePort();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      received.push(text);
      text = '';
      answer(socket);
    });
  });
  server.listen(port, '127.0.0.1');
  await eventually(() => server.listening);
  return {
    url: `http://127.0.0.1:${port}/range/`,
    received,
    answerWith(next) {
      answer = next;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
