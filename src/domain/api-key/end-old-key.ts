// The end of a key that another one has replaced: after an overlap, on time on every node.

import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { ApiKey, ApiKeyStore } from './api-key.ts';

type EndOldKeyDeps = { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> };

type EndOldKeyStores = {
  readonly apiKeys: Pick<ApiKeyStore, 'revoke' | 'setExpiry'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
};

/**
 * Ends the key at `endTime`, unless it expires sooner; what is to be published after the commit. The caller has locked the key. Nodes cache a key with its
 * expiry for a while, and tokens were exchanged for it that may live longer than the overlap: a revocation that takes effect at the new expiry reaches
 * both like any other.
 */
export async function endOldKey(
  deps: EndOldKeyDeps,
  stores: EndOldKeyStores,
  old: ApiKey,
  { now, endTime }: { readonly now: number; readonly endTime: number },
): Promise<readonly Revocation[]> {
  if (old.expireTime !== undefined && old.expireTime <= endTime) return [];
  const isAtOnce = endTime <= now;
  if (isAtOnce) await stores.apiKeys.revoke(old.id, now);
  else await stores.apiKeys.setExpiry(old.id, endTime);
  const target = { form: 'session', id: old.id, ...(isAtOnce ? {} : { effectTime: endTime }) } as const;
  const ended = revocation(target, now, deps.tokenPolicy.accessTokenTtlMs);
  return [await stores.revocations.insert(ended)];
}
