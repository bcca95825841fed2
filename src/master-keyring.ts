// Which master keys a node seals and opens with: those that it is given, or those of its data directory.

import type { Config } from './config.ts';
import { Keyring } from './crypto/keys/keyring.ts';
import { MasterKey } from './crypto/keys/master-key.ts';
import type { DataDir } from './data-dir.ts';

/** Seals with `primary`, and opens what either has sealed. */
export function givenKeyring(primary: Uint8Array, second: Uint8Array | undefined): Keyring {
  return new Keyring(new MasterKey(primary), second === undefined ? undefined : new MasterKey(second));
}

/** The keys of the configuration where it has one, else those of the directory: while one file is taking the place of the other, the next one seals. */
export async function embeddedKeyring(config: Config, dataDir: DataDir): Promise<Keyring> {
  if (config.MASTER_KEY !== undefined) return givenKeyring(config.MASTER_KEY, config.MASTER_KEY_SECOND);
  const { current, next } = await dataDir.masterKeys();
  return next === undefined ? givenKeyring(current, undefined) : givenKeyring(next, current);
}
