// Reads the letters of a service under test out of its mail folder, and the tokens out of their links.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import PostalMime from 'postal-mime';

import { eventually } from './eventually.ts';
import type { TestService } from './service.ts';

/** A letter as its reader sees it. */
export type ReceivedLetter = {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
};

const alreadyRead = new WeakMap<TestService, Set<string>>();

/** A letter out of its RFC 5322 form. */
export async function parseLetter(message: string | Buffer): Promise<ReceivedLetter> {
  const { to = [], subject = '', text = '', html = '', messageId = '' } = await PostalMime.parse(message);
  return { to: to.map(({ address }) => address ?? '').join(','), subject, text, html, messageId };
}

/** Every letter that has been sent so far, oldest first; those that are due now are sent first. */
export async function sentLetters(service: TestService): Promise<readonly ReceivedLetter[]> {
  return (await readFolder(service)).map(({ letter }) => letter);
}

/** The first letter to `to` with such a subject that no call has handed out yet; waits for it. Errors: Error when none comes. */
export async function nextLetter(service: TestService, to: string, subject = /./): Promise<ReceivedLetter> {
  const read = alreadyRead.get(service) ?? new Set<string>();
  alreadyRead.set(service, read);
  const found = await eventually(
    async () =>
      (await readFolder(service)).find(
        ({ file, letter }) => !read.has(file) && letter.to === to && subject.test(letter.subject),
      ),
    { message: `no letter to ${to} about ${String(subject)}` },
  );
  read.add(found.file);
  return found.letter;
}

/** The token of the link in a letter. Errors: Error when it has none. */
export function tokenIn(letter: ReceivedLetter): string {
  const [, token] = /^https?:\/\/\S+#token=(\S+)$/m.exec(letter.text) ?? [];
  if (token === undefined) throw new Error(`no link in: ${letter.text}`);
  return token;
}

async function readFolder(service: TestService) {
  await service.app.mailSender.run();
  const folder = join(service.app.config.DATA_DIR, 'mail');
  const files = await readdir(folder).catch(() => []);
  const letters = files.filter((file) => file.endsWith('.eml')).toSorted();
  return Promise.all(
    letters.map(async (file) => ({ file, letter: await parseLetter(await readFile(join(folder, file))) })),
  );
}
