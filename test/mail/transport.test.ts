// Hands emails to real mail servers, good and bad ones, and to a folder.

import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers';
import { afterAll, afterEach, describe, expect, it } from 'vitest';

import type { ReadyMail } from '../../src/domain/mail/ready-mail.ts';
import { MailRefusedError } from '../../src/domain/mail/ready-mail.ts';
import type { StartTls } from '../../src/mail/transport.ts';
import { folderTransport, smtpTransport } from '../../src/mail/transport.ts';
import { selfSigned } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { parseEmail, tokenIn } from '../support/mailbox.ts';
import { startRudeServer, startSmtp } from '../support/smtp-server.ts';

const FROM = 'latchkey <no-reply@latchkey.example>';
const LONG_MS = 20_000;
const folder = mkdtempSync(join(tmpdir(), 'latchkey-mail-'));
afterAll(() => rmSync(folder, { recursive: true }));

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
async function smtp(options: Parameters<typeof startSmtp>[0] = {}) {
  const server = await startSmtp(options);
  stops.push(() => server.stop());
  return server;
}

const mail: ReadyMail = {
  id: '0198c0de-0000-7000-8000-000000000000',
  messageId: '0198c0de-0000-7000-8000-000000000000.3',
  to: 'zoë@exämple.com',
  content: {
    template: 'password_reset',
    fullName: 'Zoë 李',
    ipAddress: '192.0.2.1',
    link: `https://id.example.com/reset-password#token=lkpr_${'Az-_'.repeat(16)}`,
  },
  time: Date.UTC(2026, 0, 1),
};
const plain: ReadyMail = { ...mail, to: 'ada@example.com' };
const send = (
  url: string,
  mail = plain,
  signal = AbortSignal.timeout(LONG_MS),
  startTls: StartTls = 'opportunistic',
) => smtpTransport(url, FROM, startTls).send(mail, signal);
const sendBy = (startTls: StartTls, url: string) => send(url, plain, undefined, startTls);

describe('over SMTP', () => {
  it('an email arrives with both forms, its link whole, and headers of ours alone', async () => {
    let raw = '';
    const server = await smtp({
      onData(stream, _session, callback) {
        stream.on('data', (chunk: Buffer) => (raw += chunk.toString()));
        stream.on('end', () => callback());
      },
    });
    await send(server.url);
    const message = await parseEmail(raw);
    expect(message).toMatchObject({
      to: 'ada@example.com',
      subject: 'Set a new password',
      messageId: `<${plain.messageId}@latchkey>`,
    });
    expect(tokenIn(message)).toBe(`lkpr_${'Az-_'.repeat(16)}`);
    expect(message.text).toContain('Hello Zoë 李,');
    expect(message.html).toContain(`href="https://id.example.com/reset-password#token=lkpr_`);
    const headers = raw.slice(0, raw.indexOf('\r\n\r\n'));
    const names = [...headers.matchAll(/^([\w-]+):/gm)].map(([, name = '']) => name.toLowerCase());
    expect(names.toSorted()).toEqual([
      'auto-submitted',
      'content-type',
      'date',
      'from',
      'message-id',
      'mime-version',
      'subject',
      'to',
    ]);
    expect(headers).toContain('Date: Thu, 01 Jan 2026 00:00:00 +0000');
  });

  it('an email reaches an address in any script', async () => {
    const server = await smtp();
    await send(server.url, mail);
    expect(server.received).toHaveLength(1);
  });

  it('it logs in with the credentials of the URL, and distinguishes a wrong password from a rejected email', async () => {
    const server = await smtp({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, callback) =>
        username === 'us@er' && password === 'p:w/d'
          ? callback(null, { user: username })
          : callback(Object.assign(new Error('no'), { responseCode: 535 })),
    });
    const withUser = (user: string) => server.url.replace('//', `//${user}@`);
    await send(withUser('us%40er:p%3Aw%2Fd'));
    expect(server.received).toHaveLength(1);
    const refused = send(withUser('us%40er:wrong'));
    await expect(refused).rejects.not.toBeInstanceOf(MailRefusedError);
    await expect(refused).rejects.toMatchObject({ responseCode: 535 });
    await expect(refused).rejects.not.toThrow('wrong');
  });

  it('it uses STARTTLS where the server has it, checks the certificate, and insists on it by default', async () => {
    const { cert, key } = selfSigned(folder, 'smtp');
    const tls = await smtp({ cert, key });
    for (const startTls of ['required', 'opportunistic'] as const)
      await expect(sendBy(startTls, tls.url)).rejects.toThrow(/self.signed/);
    await sendBy('required', `${tls.url}?tls.rejectUnauthorized=false`);
    expect(tls.received).toHaveLength(1);
    const bare = await smtp({ disabledCommands: ['STARTTLS'] });
    for (const startTls of ['opportunistic', 'off'] as const) await sendBy(startTls, bare.url);
    expect(bare.received).toHaveLength(2);
    const inTheClear = sendBy('required', `${bare.url}?requireTLS=false&ignoreTLS=true`);
    await expect(inTheClear).rejects.not.toBeInstanceOf(MailRefusedError);
    await expect(inTheClear).rejects.toThrow('LATCHKEY_SMTP_STARTTLS');
    expect(bare.received).toHaveLength(2);
  });

  it('it does not give the password away to who keeps the server from offering STARTTLS', async () => {
    const heard: string[] = [];
    const rude = await startRudeServer((socket) => {
      socket.write('220 ready\r\n');
      socket.on('data', (chunk: Buffer) => {
        heard.push(chunk.toString());
        const isGreeting = /^EHLO/i.test(chunk.toString());
        socket.write(isGreeting ? '250-here\r\n250 AUTH PLAIN\r\n' : '502 what?\r\n');
      });
    });
    stops.push(rude.stop);
    await expect(sendBy('required', rude.url.replace('//', '//user:secret@'))).rejects.toThrow(
      'LATCHKEY_SMTP_STARTTLS',
    );
    expect(heard.join('')).toContain('STARTTLS');
    expect(heard.join('')).not.toMatch(/AUTH|RCPT/);
  });

  it('a local part that looks like an encoded word is shown as it is, and is the same mailbox', async () => {
    let raw = '';
    const recipients: string[] = [];
    const server = await smtp({
      onRcptTo: ({ address }, _session, callback) => {
        recipients.push(address);
        callback();
      },
      onData(stream, _session, callback) {
        stream.on('data', (chunk: Buffer) => (raw += chunk.toString()));
        stream.on('end', () => callback());
      },
    });
    const to = '=?utf-8?q?Pay_now_at_evil=2Eexample?=@example.com';
    await send(server.url, { ...plain, to });
    expect(recipients.map((address) => address.replaceAll('"', ''))).toEqual([to]);
    expect(raw).toMatch(/^To: <?"=\?utf-8\?q\?Pay_now_at_evil=2Eexample\?="@example\.com>?\r$/m);
    expect(JSON.stringify((await parseEmail(raw)).to)).not.toContain('Pay now');
  });

  it('it speaks TLS from the start to smtps', async () => {
    const { cert, key } = selfSigned(folder, 'smtps');
    const server = await smtp({ cert, key, secure: true });
    await send(`${server.url.replace('smtp:', 'smtps:')}?tls.rejectUnauthorized=false`);
    expect(server.received).toHaveLength(1);
  });

  it.each([
    ['recipient', 550, true],
    ['recipient', 450, false],
    ['recipient', 552, false],
    ['text', 554, true],
    ['text', 451, false],
  ] as const)('a refusal of the %s by %i is final: %s', async (at, code, isFinal) => {
    const server = await smtp();
    server.mood = { at, code };
    const error: unknown = await send(server.url).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(error instanceof MailRefusedError).toBe(isFinal);
    server.mood = undefined;
    await send(server.url);
    expect(server.received).toHaveLength(1);
  });

  it('a server that takes no mail at all now says nothing of the email', async () => {
    const busy = await startRudeServer((socket) => socket.end('554 not today\r\n'));
    stops.push(busy.stop);
    await expect(send(busy.url)).rejects.not.toBeInstanceOf(MailRefusedError);
    await busy.stop();
    stops.pop();
    await expect(send(busy.url)).rejects.toThrow('ECONNREFUSED');
  });

  it.each([
    ['is silent', () => undefined],
    [
      'greets without end',
      (socket: { write(text: string): boolean; once(event: 'close', listener: () => void): unknown }) => {
        const timer = setInterval(() => socket.write('220-still here\r\n'), 5);
        socket.once('close', () => clearInterval(timer));
      },
    ],
  ])('it hangs up on a server that %s, after the timeout', async (_name, onConnection) => {
    const rude = await startRudeServer(onConnection);
    stops.push(rude.stop);
    const sending = send(rude.url, plain, AbortSignal.timeout(300));
    await expect(sending).rejects.toMatchObject({ code: 'EABORT' });
    await eventually(() => rude.connections() === 0);
  });

  it('it hangs up in the middle of an email when it is cut', async () => {
    const server = await smtp();
    server.mood = { at: 'text', hangs: true };
    const cut = new AbortController();
    const sending = send(server.url, plain, cut.signal);
    const ended = sending.catch((reason: unknown) => reason);
    await eventually(() => server.attempts() === 1);
    cut.abort();
    expect(await ended).toMatchObject({ code: 'EABORT' });
  });
});

it('into a folder: one private file for each email, replaced by the next attempt', async () => {
  const written: string[] = [];
  const out = join(folder, 'deep', 'mail');
  const transport = folderTransport(out, FROM, (_mail, file) => written.push(file));
  const signal = AbortSignal.timeout(LONG_MS);
  await transport.send(plain, signal);
  await transport.send(plain, signal);
  expect(await readdir(out)).toEqual([`${plain.id}.eml`]);
  expect(written).toEqual(Array.from({ length: 2 }, () => join(out, `${plain.id}.eml`)));
  const [file = ''] = written;
  expect((await stat(file)).mode & 0o077).toBe(0);
  expect(tokenIn(await parseEmail(await readFile(file)))).toMatch(/^lkpr_/);
});
