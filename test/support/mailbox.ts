// Reads the emails of a service under test out of its mail folder, and the tokens out of their links.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import PostalMime from 'postal-mime';

import { eventually } from './eventually.ts';
import type { TestService } from './service.ts';

/** An email as its reader sees it. */
export type ReceivedEmail = {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
};

const alreadyRead = new WeakMap<TestService, Set<string>>();

/** An email out of its RFC 5322 form. */
export async function parseEmail(message: string | Buffer): Promise<ReceivedEmail> {
  const { to = [], subject = '', text = '', html = '', messageId = '' } = await PostalMime.parse(message);
  return { to: to.map(({ address }) => address ?? '').join(','), subject, text, html, messageId };
}

/** Every email that has been sent so far, oldest first; those that are due now are sent first. */
export async function sentEmails(service: TestService): Promise<readonly ReceivedEmail[]> {
  return (await readFolder(service)).map(({ message }) => message);
}

/** The first email to `to` with such a subject that no call has returned yet; waits for it. Errors: Error when none comes. */
export async function nextEmail(service: TestService, to: string, subject = /./): Promise<ReceivedEmail> {
  const read = alreadyRead.get(service) ?? new Set<string>();
  alreadyRead.set(service, read);
  const found = await eventually(
    async () =>
      (await readFolder(service)).find(
        ({ file, message }) => !read.has(file) && message.to === to && subject.test(message.subject),
      ),
    { message: `no email to ${to} about ${String(subject)}` },
  );
  read.add(found.file);
  return found.message;
}

/** The token of the link in an email. Errors: Error when it has none. */
export function tokenIn(message: ReceivedEmail): string {
  const [, token] = /^https?:\/\/\S+#token=(\S+)$/m.exec(message.text) ?? [];
  if (token === undefined) throw new Error(`no link in: ${message.text}`);
  return token;
}

async function readFolder(service: TestService) {
  await service.app.mailSender.run();
  const folder = join(service.app.config.DATA_DIR, 'mail');
  const files = await readdir(folder).catch(() => []);
  const emails = files.filter((file) => file.endsWith('.eml')).toSorted();
  return Promise.all(
    emails.map(async (file) => ({ file, message: await parseEmail(await readFile(join(folder, file))) })),
  );
}
