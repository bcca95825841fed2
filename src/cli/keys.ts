// latchkey keys: which keys sign and verify access tokens, and how to change them.

import type { Config } from '../config.ts';
import { ConfigError } from '../config.ts';
import { signingKeyMaker } from '../crypto/keys/signing-keys.ts';
import { COMMAND_LINE } from '../domain/access/authority.ts';
import type { ListedSigningKey } from '../domain/keyset/list-signing-keys.ts';
import { listSigningKeys } from '../domain/keyset/list-signing-keys.ts';
import { rotateSigningKey } from '../domain/keyset/rotate-signing-key.ts';
import { withDatabase } from './open-database.ts';

export type RotateOptions = { readonly immediately?: boolean; readonly retireOthers?: boolean };

const HEADINGS = ['kid', 'algorithm', 'state', 'signs from', 'leaves at'];

/** Prints the keys, newest first. */
export function listKeys(config: Config): Promise<void> {
  return withDatabase(config, async (database) => {
    const keys = await listSigningKeys({ ...database, tokenPolicy: tokenPolicyOf(config) });
    if (keys.length === 0) console.log('There is no signing key yet: the first start makes one.');
    else console.log(table([HEADINGS, ...keys.map(cellsOf)]));
  });
}

/** Changes the signing key, and prints the one that signs next. */
export function rotateKeys(
  config: Config,
  { immediately = false, retireOthers = false }: RotateOptions,
): Promise<void> {
  if (retireOthers && !immediately) throw new ConfigError('--retire-others: is only for --immediately');
  return withDatabase(config, async (database) => {
    const deps = {
      ...database,
      tokenPolicy: tokenPolicyOf(config),
      newSigningKey: signingKeyMaker(database.keyring),
      signingAlgorithm: config.SIGNING_ALGORITHM,
      // Nodes look for themselves.
      keyset: { reload: async () => undefined },
      onKeysetFailure: () => undefined,
    };
    const origin = { ipAddress: '', userAgent: 'latchkey keys rotate', requestId: '' };
    const key = await rotateSigningKey(deps, { actor: COMMAND_LINE, immediately, retireOthers, origin });
    console.log(table([HEADINGS, cellsOf(key)]));
  });
}

function tokenPolicyOf(config: Config) {
  return { accessTokenTtlMs: config.ACCESS_TOKEN_TTL };
}

function cellsOf({ kid, algorithm, state, activateTime, retireTime }: ListedSigningKey): readonly string[] {
  return [kid, algorithm, state, timeOf(activateTime), retireTime === undefined ? '-' : timeOf(retireTime)];
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+/, '');
}

function table(rows: ReadonlyArray<readonly string[]>): string {
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
