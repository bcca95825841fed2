// latchkey master-key: seals everything anew by another master key.

import { Presets, SingleBar } from 'cli-progress';
import type { Config } from '../config.ts';
import { openDataDir } from '../data-dir.ts';
import { resealer } from '../crypto/keys/resealer.ts';
import type { MasterKeyRotation } from '../domain/instance/rotate-master-key.ts';
import { rotateMasterKey } from '../domain/instance/rotate-master-key.ts';
import { SEALED_KINDS } from '../domain/instance/sealed-values.ts';
import { withDatabase } from './open-database.ts';

const ORIGIN = { ipAddress: '', userAgent: 'latchkey master-key rotate', requestId: '' };

/**
 * Seals by LATCHKEY_MASTER_KEY what LATCHKEY_MASTER_KEY_SECOND has sealed; with the key file of a data directory, by a new key that takes its
 * place. Prints what came of it.
 */
export async function rotateMasterKeyCommand(config: Config): Promise<void> {
  const usesFile = config.DATABASE_URL === undefined && config.MASTER_KEY === undefined;
  if (usesFile) await beginKeyFile(config);
  await withDatabase(config, async (database) => {
    const bar = new SingleBar(
      { format: 'sealing anew [{bar}] {value} of {total}', hideCursor: true, noTTYOutput: true },
      Presets.legacy,
    );
    bar.start(0, 0);
    const onProgress = (done: number, total: number) => {
      bar.setTotal(total);
      bar.update(done);
    };
    const deps = { ...database, resealer: resealer(database.keyring), onProgress };
    const rotation = await rotateMasterKey(deps, ORIGIN).finally(() => bar.stop());
    if (usesFile) await database.dataDir?.adoptMasterKey();
    print(rotation, usesFile);
  });
}

async function beginKeyFile(config: Config): Promise<void> {
  const dataDir = await openDataDir(config.DATA_DIR);
  try {
    await dataDir.beginMasterKey();
  } finally {
    await dataDir.release();
  }
}

function print({ counts, hasChangedKey }: MasterKeyRotation, usesFile: boolean): void {
  for (const kind of SEALED_KINDS) {
    const { total, resealed } = counts[kind];
    console.log(`${kind.replace('_', ' ').padEnd(16)}  ${resealed} of ${total} sealed anew`);
  }
  if (usesFile)
    console.log('Everything is sealed by the new key in master.key. Keep a copy of it apart from backups.');
  else if (hasChangedKey)
    console.log('Everything is sealed by LATCHKEY_MASTER_KEY. LATCHKEY_MASTER_KEY_SECOND may go.');
  else console.log('Everything was sealed by LATCHKEY_MASTER_KEY already.');
}
