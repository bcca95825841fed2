// Hands letters to an SMTP server, or to a folder when there is none.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import type { OutgoingMail } from '../domain/mail/outbox.ts';
import { renderLetter } from './templates.ts';

/** Delivers one letter. Errors: when it could not be handed over; it has not been sent then, as far as anyone can tell. */
export type MailTransport = { send(mail: OutgoingMail): Promise<void>; close(): void };

const SMTP_TIMEOUT_MS = 10_000;

function message(from: string, mail: OutgoingMail) {
  return {
    from,
    to: { name: '', address: mail.to },
    // The same for each attempt, so that a mailbox that got the letter twice can tell.
    messageId: `<${mail.id}@latchkey>`,
    date: new Date(mail.createTime),
    ...renderLetter(mail.letter),
  };
}

/** Over SMTP (`smtp://` or `smtps://`, with credentials in the URL). */
export function smtpTransport(url: string, from: string): MailTransport {
  const mailer = createTransport({
    url,
    connectionTimeout: SMTP_TIMEOUT_MS,
    greetingTimeout: SMTP_TIMEOUT_MS,
    socketTimeout: SMTP_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send(mail) {
      await mailer.sendMail(message(from, mail));
    },
    close() {
      mailer.close();
    },
  };
}

/** Into `folder`, one `.eml` file (RFC 5322) for each letter; `onWritten` is told the file. */
export function folderTransport(
  folder: string,
  from: string,
  onWritten: (mail: OutgoingMail, file: string) => void,
): MailTransport {
  const composer = createTransport({ streamTransport: true, buffer: true, newline: 'unix' });
  return {
    async send(mail) {
      const composed = await composer.sendMail(message(from, mail));
      const file = join(folder, `${mail.id}.eml`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(file, composed.message, { mode: 0o600 });
      onWritten(mail, file);
    },
    close() {
      composer.close();
    },
  };
}
