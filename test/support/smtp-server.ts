// A mail server inside the test process: keeps what it takes, and fails as a test asks.

import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

import { parseEmail, type ReceivedEmail } from './mailbox.ts';

/** How the server answers from now on; undefined: it takes what comes. */
export type SmtpMood =
  /** This reply code to the recipient, or to the text. */
  | { readonly at: 'recipient' | 'text'; readonly code: number }
  /** No reply to the text, or one that the test gives by `release`. */
  | { readonly at: 'text'; readonly hangs: true };

/** A mail server under test. */
export type TestSmtp = {
  readonly port: number;
  readonly url: string;
  readonly received: readonly ReceivedEmail[];
  /** How many emails got as far as their text. */
  readonly attempts: () => number;
  mood: SmtpMood | undefined;
  /** Answers what hangs: taken. */
  release(): void;
  stop(): Promise<void>;
};

/** Starts the server on a free port, or on the one given. */
export async function startSmtp(
  options: SMTPServerOptions & { readonly port?: number } = {},
): Promise<TestSmtp> {
  const received: ReceivedEmail[] = [];
  let attempts = 0;
  let waiting: (() => Promise<void>)[] = [];
  const { port = 0, ...rest } = options;
  const server = new SMTPServer({
    authOptional: true,
    closeTimeout: 50,
    disableReverseLookup: true,
    hideSTARTTLS: options.key === undefined,
    logger: false,
    onRcptTo(_address, _session, callback) {
      callback(smtp.mood?.at === 'recipient' && 'code' in smtp.mood ? reply(smtp.mood.code) : undefined);
    },
    onData(stream, _session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        attempts += 1;
        const { mood } = smtp;
        if (mood?.at === 'text' && 'code' in mood) return callback(reply(mood.code));
        const take = async () => {
          received.push(await parseEmail(Buffer.concat(chunks)));
          callback();
        };
        if (mood?.at === 'text') waiting.push(take);
        else void take();
      });
    },
    ...rest,
  });
  // Clients that hang up in the middle are what the tests are about.
  server.on('error', () => undefined);
  const listening = server.listen(port, '127.0.0.1');
  await once(listening, 'listening');
  const { port: bound } = listening.address() as AddressInfo;
  const smtp: TestSmtp = {
    port: bound,
    url: `smtp://127.0.0.1:${bound}`,
    received,
    attempts: () => attempts,
    mood: undefined,
    release() {
      for (const take of waiting) void take();
      waiting = [];
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
  return smtp;
}

function reply(code: number): Error {
  return Object.assign(new Error('as the test says'), { responseCode: code });
}

/** A server that takes connections and then does `onConnection`: says nothing, or talks without end. */
export async function startRudeServer(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    connections: () => sockets.size,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
