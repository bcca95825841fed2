// Sends emails to an SMTP server, or writes them to a folder when there is none.

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReadyMail, SendMail } from '../domain/mail/ready-mail.ts';
import { MailRefusedError } from '../domain/mail/ready-mail.ts';
import { renderEmail } from './templates.ts';

/** Delivers emails one by one; see SendMail. */
export type MailTransport = { readonly send: SendMail; close(): void };

/** What is opened by whoever needs it first. */
function once<Opened>(open: () => Promise<Opened>) {
  let opened: Promise<Opened> | undefined;
  return { get: () => (opened ??= open()), started: () => opened };
}

/** How long one step of the conversation may take. */
const SMTP_TIMEOUT_MS = 10_000;

function message(from: string, mail: ReadyMail) {
  return {
    from,
    to: { name: '', address: headerAddress(mail.to) },
    messageId: `<${mail.messageId}@latchkey>`,
    date: new Date(mail.time),
    // RFC 3834: no out-of-office answers, please.
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableFileAccess: true,
    disableUrlAccess: true,
    ...renderEmail(mail.content),
  };
}

// A local part that looks like an encoded word (RFC 2047) would be shown decoded: its author would write into another person's header. In quotes it
// is the same mailbox (RFC 5321, section 4.1.2) and no encoded word (RFC 2047, section 5).
function headerAddress(address: string): string {
  const at = address.lastIndexOf('@');
  const local = address.slice(0, at);
  return local.includes('=?') ? `"${local}"${address.slice(at)}` : address;
}

/** Whether a connection by `smtp://` is to be encrypted: always, where the server offers it, or never. */
export type StartTls = 'required' | 'opportunistic' | 'off';

const TLS_OPTIONS: Readonly<Record<StartTls, object>> = {
  required: { requireTLS: true },
  opportunistic: { opportunisticTLS: true },
  off: { ignoreTLS: true },
};

// The library prefers options of the URL: they must not override the configuration.
function withoutTlsOptions(text: string): string {
  const url = new URL(text);
  for (const name of ['requireTLS', 'opportunisticTLS', 'ignoreTLS']) url.searchParams.delete(name);
  return url.href;
}

/**
 * Over SMTP (`smtp://`, encrypted as `startTls` says, or `smtps://`, encrypted from the start; with credentials in the URL). A connection for each
 * email, closed with it.
 */
export function smtpTransport(url: string, from: string, startTls: StartTls): MailTransport {
  const options = {
    url: withoutTlsOptions(url),
    ...TLS_OPTIONS[startTls],
    connectionTimeout: SMTP_TIMEOUT_MS,
    dnsTimeout: SMTP_TIMEOUT_MS,
    greetingTimeout: SMTP_TIMEOUT_MS,
    socketTimeout: SMTP_TIMEOUT_MS,
    socketCloseTimeout: 0,
  };
  // Loaded by the first email.
  const opened = once(async () => (await import('nodemailer')).createTransport(options));
  return {
    async send(mail, signal) {
      const mailer = await opened.get();
      try {
        await mailer.sendMail({ ...message(from, mail), signal });
      } catch (error) {
        if (isFinal(error)) throw new MailRefusedError(messageOf(error), { cause: error });
        throw startTls === 'required' && isWithoutTls(error) ? withoutTls(error) : error;
      }
    },
    close() {
      void opened.started()?.then((mailer) => mailer.close());
    },
  };
}

// A refused login, sender or greeting says nothing about the email: an operator will fix the configuration. 552 is a full mailbox, which RFC
// 5321, section 4.5.3.1.10, takes for temporary.
function isFinal(error: unknown): boolean {
  if (!(error instanceof Error) || !('responseCode' in error) || !('command' in error)) return false;
  const { responseCode, command } = error;
  if (typeof responseCode !== 'number' || responseCode < 500 || responseCode === 552) return false;
  return command === 'RCPT TO' || command === 'DATA';
}

// What answers STARTTLS by a refusal, or does not know it.
function isWithoutTls(error: unknown): boolean {
  return (
    error instanceof Error && 'command' in error && error.command === 'STARTTLS' && 'responseCode' in error
  );
}

function withoutTls(cause: unknown): Error {
  return new Error(
    'the mail server offers no STARTTLS, and nothing is sent in the clear; use smtps://, or set LATCHKEY_SMTP_STARTTLS to opportunistic or off',
    { cause },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Into `folder`, one `.eml` file (RFC 5322) for each email, whole from the moment it is there; `onWritten` is called with the file. */
export function folderTransport(
  folder: string,
  from: string,
  onWritten: (mail: ReadyMail, file: string) => void,
): MailTransport {
  const opened = once(async () =>
    (await import('nodemailer')).createTransport({ streamTransport: true, buffer: true, newline: 'unix' }),
  );
  return {
    async send(mail) {
      const composer = await opened.get();
      const composed = await composer.sendMail(message(from, mail));
      const file = join(folder, `${mail.id}.eml`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(`${file}.part`, composed.message, { mode: 0o600 });
      await rename(`${file}.part`, file);
      onWritten(mail, file);
    },
    close() {
      void opened.started()?.then((composer) => composer.close());
    },
  };
}
