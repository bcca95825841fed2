// What may be changed of an API key: its name, and what it can do, to less.

import { Violations } from '../text.ts';
import { validationFailed } from '../errors.ts';
import { isNarrower } from '../network/ip-network.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';
import type { ApiKey, ApiKeyStore } from './api-key.ts';

/** What a key may do, from where, and until when. */
export type KeyBounds = Pick<ApiKey, 'scopes' | 'allowedCidrs' | 'expireTime'>;

/** The fields to change. `expireTime` is wrapped, as it may be set to none. */
export type KeyChange = {
  readonly displayName?: string;
  readonly scopes?: readonly string[];
  readonly allowedCidrs?: readonly string[];
  readonly expiry?: { readonly expireTime: number | undefined };
};

type NarrowStores = {
  readonly apiKeys: Pick<ApiKeyStore, 'change'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
};

/**
 * Stores the change of a key that the caller has locked; the key as it is then, and what is to be published after the commit, by which every node reads
 * the key anew. Errors: VALIDATION_FAILED (names each field that would be wider).
 */
export async function narrowKey(
  deps: { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> },
  stores: NarrowStores,
  old: ApiKey,
  change: KeyChange,
  now: number,
): Promise<{ readonly apiKey: ApiKey; readonly revocations: readonly Revocation[] }> {
  const { expiry, ...fields } = change;
  const apiKey = { ...old, ...fields, ...expiry };
  requireNarrower(apiKey, old);
  const minVersion = await stores.apiKeys.change(apiKey);
  const reread = revocation(
    { form: 'subject', id: old.id, minVersion },
    now,
    deps.tokenPolicy.accessTokenTtlMs,
  );
  return { apiKey, revocations: [await stores.revocations.insert(reread)] };
}

function requireNarrower(next: KeyBounds, old: KeyBounds): void {
  const violations = new Violations();
  const added = next.scopes.filter((scope) => !old.scopes.includes(scope));
  if (added.length > 0) violations.add('api_key.scopes', 'must be among those that the key has');
  noteBeyond(violations, next, old, { prefix: 'api_key.', whose: 'key' });
  if (violations.list.length > 0) throw validationFailed(violations.list);
}

/** Notes networks and an expiry that go beyond `bounds`, which are those of `whose`. */
export function noteBeyond(
  violations: Violations,
  next: Pick<KeyBounds, 'allowedCidrs' | 'expireTime'>,
  bounds: Pick<KeyBounds, 'allowedCidrs' | 'expireTime'>,
  { prefix, whose }: { readonly prefix: string; readonly whose: string },
): void {
  if (!isNarrower(next.allowedCidrs, bounds.allowedCidrs))
    violations.add(`${prefix}allowed_cidrs`, `must lie within the networks of the ${whose}`);
  if ((next.expireTime ?? Infinity) > (bounds.expireTime ?? Infinity))
    violations.add(`${prefix}expire_time`, `must not be later than that of the ${whose}`);
}
