// Holds the check of passwords against a list of breached ones: what leaves the process, what counts as known, and that no fault blocks a call.

import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RangeClient, SKIP_MS, WARN_EVERY_MS } from '../../src/breached-passwords/range-client.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { freePort } from '../support/private-server.ts';
import type { Answer, RangeServer } from '../support/range-server.ts';
import { http, range, sha1, startRangeServer } from '../support/range-server.ts';

const PASSWORD = 'Grüße-aus-Köln-1999!';

let server: RangeServer;
let clock: FakeClock;
let warnings: string[];
let client: RangeClient;

beforeAll(async () => {
  server = await startRangeServer();
});
afterAll(() => server.stop());
beforeEach(() => {
  clock = new FakeClock();
  warnings = [];
  client = clientOf(server.url);
});

function clientOf(url: string, timeoutMs?: number): RangeClient {
  const onFailure = (reason: string) => void warnings.push(reason);
  return new RangeClient({ url, clock, onFailure, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
}

it('knows a password of the list, and no other', async () => {
  server.answerWith(range({ [PASSWORD]: 42 }));
  expect(await client.has(PASSWORD)).toBe(true);
  expect(await client.has('Never-Seen-Anywhere-77?')).toBe(false);
  server.answerWith(range({ 'Never-Seen-Anywhere-77?': 1 }));
  expect(await client.has('Never-Seen-Anywhere-77?')).toBe(true);
  expect(warnings).toEqual([]);
});

it('takes a line of padding for what it is', async () => {
  server.answerWith(range({ [PASSWORD]: 0 }));
  expect(await client.has(PASSWORD)).toBe(false);
  expect(warnings).toEqual([]);
});

it.each([
  ['lower case', (suffix: string) => `${suffix.toLowerCase()}:3`],
  ['line feeds alone and one at the end', (suffix: string) => `${'A'.repeat(35)}:1\n${suffix}:3\n`],
  ['compressed', (suffix: string) => gzipSync(`${suffix}:3`)],
])('reads a range in %s', async (what, body) => {
  const headers = what === 'compressed' ? ['content-encoding: gzip'] : [];
  server.answerWith(http('200 OK', body(sha1(PASSWORD).slice(5)), headers));
  expect(await client.has(PASSWORD)).toBe(true);
});

it('an empty range knows nothing, and is no fault', async () => {
  server.answerWith(http('200 OK', ''));
  expect(await client.has(PASSWORD)).toBe(false);
  expect(warnings).toEqual([]);
});

it('lets five digits of the hash leave the process, and asks for padding', async () => {
  server.answerWith(range({}));
  const before = server.received.length;
  await client.has(PASSWORD);
  const [request = '', ...others] = server.received.slice(before);
  expect(others).toEqual([]);
  const digest = sha1(PASSWORD);
  expect(request.split('\r\n')[0]).toBe(`GET /range/${digest.slice(0, 5)} HTTP/1.1`);
  expect(request).toMatch(/^add-padding: true$/im);
  expect(request).toMatch(/^user-agent: latchkey$/im);
  // Not one digit more, in whatever notation.
  for (const secret of [digest.slice(0, 6), digest.slice(5), PASSWORD, encodeURIComponent(PASSWORD), 'Köln'])
    expect(request.toLowerCase()).not.toContain(secret.toLowerCase());
});

const chunk = Buffer.from(`${'A'.repeat(35)}:1\r\n`.repeat(1_000));
const endless: Answer = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\n\r\n');
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
};
const hit = () => Buffer.from(`${sha1(PASSWORD).slice(5)}:42`);
const stuck: Answer = (socket) => {
  socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n${hit().toString()}\r\n`);
};

const FAULTS: ReadonlyArray<readonly [string, Answer]> = [
  ['a page of a captive portal', http('200 OK', '<!doctype html><title>Log in</title>')],
  ['random bytes', http('200 OK', randomBytes(2_000))],
  ['a hit among lines that are none', (socket) => http('200 OK', `${hit().toString()}\r\nnonsense`)(socket)],
  ['JSON', http('200 OK', '[]')],
  ['too many requests', http('429 Too Many Requests', '')],
  ['a fault of its own', http('500 Internal Server Error', 'sorry')],
  ['not found', http('404 Not Found', '')],
  ['no content', (socket) => socket.end('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n')],
  ['no HTTP', (socket) => socket.end('hello\r\n')],
  ['a closed connection', (socket) => socket.destroy()],
  [
    'half a body',
    (socket) => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n${hit().toString()}`),
  ],
  ['a body without end', endless],
  ['a bomb', http('200 OK', gzipSync(Buffer.alloc(20_000_000, 65)), ['content-encoding: gzip'])],
  ['no body', stuck],
  ['nothing at all', () => undefined],
];

describe('lets a password pass, and says so once, when the answer is', () => {
  it.each(FAULTS)('%s', async (_what, answer) => {
    server.answerWith(answer);
    expect(await clientOf(server.url, 300).has(PASSWORD)).toBe(false);
    expect(warnings).toHaveLength(1);
    for (const secret of [PASSWORD, sha1(PASSWORD).slice(0, 5), sha1(PASSWORD).slice(5)])
      expect(warnings[0]?.toUpperCase()).not.toContain(secret.toUpperCase());
  });

  it('a redirection, which is not followed', async () => {
    const elsewhere = await startRangeServer();
    elsewhere.answerWith(range({ [PASSWORD]: 42 }));
    const location = `location: ${elsewhere.url}${sha1(PASSWORD).slice(0, 5)}`;
    for (const status of [
      '301 Moved Permanently',
      '302 Found',
      '307 Temporary Redirect',
      '308 Permanent Redirect',
    ]) {
      clock.advance(WARN_EVERY_MS);
      server.answerWith(http(status, '', [location]));
      expect(await client.has(PASSWORD)).toBe(false);
    }
    expect(warnings).toHaveLength(4);
    expect(elsewhere.received).toEqual([]);
    await elsewhere.stop();
  });

  it('refused, or the host is not there', async () => {
    for (const url of [`http://127.0.0.1:${await freePort()}/range/`, 'http://nowhere.invalid/range/'])
      expect(await clientOf(url).has(PASSWORD)).toBe(false);
    expect(warnings[0]).toBe('ECONNREFUSED');
    expect(warnings).toHaveLength(2);
  });
});

it('sends no request for half a minute after a failure, and warns once a minute', async () => {
  const asked = async () => {
    const before = server.received.length;
    expect(await client.has(PASSWORD)).toBe(false);
    return server.received.length - before;
  };
  server.answerWith(http('500 Internal Server Error', ''));
  expect(await asked()).toBe(1);
  expect(await asked()).toBe(0);
  clock.advance(SKIP_MS - 1);
  expect(await asked()).toBe(0);
  clock.advance(1);
  expect(await asked()).toBe(1);
  expect(warnings).toEqual(['it answered 500']);
  clock.advance(WARN_EVERY_MS - SKIP_MS);
  expect(await asked()).toBe(1);
  expect(warnings).toHaveLength(2);
  server.answerWith(range({ [PASSWORD]: 1 }));
  clock.advance(SKIP_MS);
  expect(await client.has(PASSWORD)).toBe(true);
  expect(await client.has(PASSWORD)).toBe(true);
  expect(warnings).toHaveLength(2);
});

it('goes on asking when the clock has been set back', async () => {
  server.answerWith(http('500 Internal Server Error', ''));
  await client.has(PASSWORD);
  clock.advance(-24 * 3_600_000);
  server.answerWith(range({ [PASSWORD]: 1 }));
  expect(await client.has(PASSWORD)).toBe(true);
});

it('many at once that fail are one warning', async () => {
  server.answerWith(http('429 Too Many Requests', ''));
  const verdicts = await Promise.all(
    Array.from({ length: 50 }, (_, index) => client.has(`${PASSWORD}${index}`)),
  );
  expect(verdicts).toEqual(verdicts.map(() => false));
  expect(warnings).toHaveLength(1);
});
