// ListSigningKeys: which keys there are, and what each does now.

import type { Clock } from '../clock.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { SigningKey, SigningKeyState, SigningKeyStore } from './signing-key.ts';
import { retireTimeOf, stateOf } from './signing-key.ts';

export type ListSigningKeysDeps = {
  readonly signingKeys: Pick<SigningKeyStore, 'list'>;
  readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
  readonly clock: Clock;
};

/** A key as operators see it. Times are epoch milliseconds. */
export type ListedSigningKey = Pick<SigningKey, 'kid' | 'algorithm' | 'createTime' | 'activateTime'> & {
  readonly state: SigningKeyState;
  /** When it leaves the key set; undefined while no other key is to take its place. */
  readonly retireTime: number | undefined;
};

/** All keys, newest first. Errors: STORAGE_UNAVAILABLE. */
export async function listSigningKeys(deps: ListSigningKeysDeps): Promise<readonly ListedSigningKey[]> {
  const keys = await deps.signingKeys.list();
  return keys
    .toSorted((left, right) => right.activateTime - left.activateTime)
    .map((key) => describeSigningKey(deps, keys, key));
}

/** What `key`, one of `keys`, does now. */
export function describeSigningKey(
  { clock, tokenPolicy }: Pick<ListSigningKeysDeps, 'clock' | 'tokenPolicy'>,
  keys: readonly SigningKey[],
  key: SigningKey,
): ListedSigningKey {
  const { kid, algorithm, createTime, activateTime } = key;
  const state = stateOf(keys, key, clock.now());
  const retireTime = retireTimeOf(keys, key, tokenPolicy.accessTokenTtlMs);
  return { kid, algorithm, createTime, activateTime, state, retireTime };
}
