// Looks at the folder of the embedded database before it is opened, and says what keeps it from being opened.

import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The major version of Postgres that this release embeds; a contract test holds it equal to what PGlite answers. */
export const EMBEDDED_POSTGRES = '18';

/**
 * Refuses a folder that another major version of Postgres wrote: Postgres opens its own version's files only. A folder that is missing or empty is
 * made when the database is opened. Errors: Error with one line that says what to do.
 */
export async function requireOwnVersion(folder: string): Promise<void> {
  const file = join(folder, 'PG_VERSION');
  if (!existsSync(file)) return;
  const version = (await readFile(file, 'utf8')).trim();
  if (version === EMBEDDED_POSTGRES) return;
  throw new Error(
    `LATCHKEY_DATA_DIR: ${folder} was written by Postgres ${version}, and this release embeds Postgres ${EMBEDDED_POSTGRES}: ` +
      'nothing has been changed; run the latchkey release that wrote it, or name another folder',
  );
}

/**
 * Runs `make`, which makes the database in `folder`, unless there is one; then it resolves to undefined. Where an earlier attempt was cut off (killed,
 * or no space left), what it left behind is deleted first: nothing was stored in it yet. Errors: those of `make`.
 */
export async function makingWhole<Made>(
  folder: string,
  make: () => Promise<Made>,
): Promise<Made | undefined> {
  const marker = `${folder}.unfinished`;
  if (existsSync(marker)) await rm(folder, { recursive: true, force: true });
  if (existsSync(folder)) return undefined;
  await writeFile(marker, 'The database beside this file is being made; it is empty.\n', { mode: 0o600 });
  const made = await make();
  await rm(marker);
  return made;
}

// PGlite's file system fails with the error numbers of WASI and without a message.
const FAULTS: ReadonlyMap<unknown, string> = new Map([
  [2, 'access denied (EACCES)'],
  [19, 'no space left within the quota (EDQUOT)'],
  [29, 'the disk answers with errors (EIO)'],
  [51, 'no space left on the disk (ENOSPC)'],
  [63, 'operation not permitted (EPERM)'],
  [69, 'the file system is read-only (EROFS)'],
]);

/** What opening the database in `folder` failed by, in one line; the error itself when it has a message. */
export function explainEmbedded(folder: string, error: unknown): unknown {
  if (typeof error !== 'object' || error === null || !('errno' in error)) return error;
  const fault = FAULTS.get(error.errno) ?? `error ${String(error.errno)} of its file system`;
  return new Error(`LATCHKEY_DATA_DIR: the embedded database in ${folder} cannot be opened: ${fault}`, {
    cause: error,
  });
}
