// Tells at start whether the master key is the one that this database was sealed with.

import type { InstanceStore } from '../domain/instance/instance-store.ts';
import type { MasterKey } from './master-key.ts';
import { UnsealError } from './master-key.ts';

const PURPOSE = 'master-key-check';
const CONTEXT = 'instance';

/** The master key is another than the one that sealed this database. */
export class WrongMasterKeyError extends Error {
  override readonly name = 'WrongMasterKeyError';
}

/** Leaves a sealed value in a new database, and opens it in an old one. Errors: WrongMasterKeyError, STORAGE_UNAVAILABLE. */
export async function checkMasterKey(
  masterKey: MasterKey,
  instance: Pick<InstanceStore, 'findMasterKeyCheck' | 'insertMasterKeyCheck'>,
): Promise<void> {
  const mark = Buffer.from(masterKey.seal(PURPOSE, CONTEXT, Buffer.from('latchkey'))).toString('base64');
  if (await instance.insertMasterKeyCheck(mark)) return;
  const stored = await instance.findMasterKeyCheck();
  try {
    masterKey.unseal(PURPOSE, CONTEXT, Buffer.from(stored ?? '', 'base64'));
  } catch (error) {
    if (!(error instanceof UnsealError)) throw error;
    throw new WrongMasterKeyError('the master key is not the one that this database was sealed with', {
      cause: error,
    });
  }
}
