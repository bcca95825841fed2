// Caches keys that proved good, so that a gateway's key costs one database read a minute rather than one a call, and none while the database
// cannot be asked.

import { OutageCache } from '../cache/outage-cache.ts';
import type { Clock } from '../clock.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import type { RevocationIndex } from '../revocation/revocation-index.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { ApiKeyCodec, ApiKeyRecord, ApiKeyStore } from './api-key.ts';

/** How long a key is used before it is read again. Revocations do not wait for it: they are checked on every call. */
export const API_KEY_CACHE_MS = 60_000;

export type ApiKeyDirectoryDeps = {
  readonly apiKeys: Pick<ApiKeyStore, 'find'>;
  readonly apiKeyCodec: ApiKeyCodec;
  readonly revocationIndex: Pick<RevocationIndex, 'subscribe' | 'minVersionOf' | 'isSessionRevoked'>;
  readonly clock: Clock;
  /** How much longer a key may be used while the database cannot be asked, in milliseconds. */
  readonly outageGraceMs: number;
};

/** Looks keys up by their secret. */
export class ApiKeyDirectory {
  readonly #store: Pick<ApiKeyStore, 'find'>;
  readonly #codec: ApiKeyCodec;
  readonly #cache: OutageCache<ApiKeyRecord>;

  constructor({ apiKeys, apiKeyCodec, revocationIndex, clock, outageGraceMs }: ApiKeyDirectoryDeps) {
    this.#store = apiKeys;
    this.#codec = apiKeyCodec;
    this.#cache = new OutageCache({
      clock,
      freshMs: API_KEY_CACHE_MS,
      outageGraceMs,
      tagsOf: ({ id, ownerId }) => [id, ownerId],
      isCurrent: ({ id, version, ownerId, ownerVersion, revokeTime }) =>
        ownerVersion >= revocationIndex.minVersionOf(ownerId) &&
        version >= revocationIndex.minVersionOf(id) &&
        (revokeTime !== undefined || !revocationIndex.isSessionRevoked(id)),
    });
    // The index deletes a revocation once no token can match it; a key may stay cached for longer.
    revocationIndex.subscribe((news) => news.forEach((revocation) => this.#apply(revocation)));
  }

  /**
   * The record of the key with this secret, live or not; undefined when there is none. It is what the database said, at most API_KEY_CACHE_MS
   * ago, or the outage grace longer while it cannot be asked; never older than a revocation that this node knows. Errors: STORAGE_UNAVAILABLE.
   */
  find(text: string): MaybePromise<ApiKeyRecord | undefined> {
    return this.#cache.find(this.#codec.fingerprint(text), () => this.#read(text));
  }

  async #read(text: string): Promise<ApiKeyRecord | undefined> {
    const presented = this.#codec.read(text);
    if (presented === undefined) return undefined;
    const record = await this.#store.find(presented.id);
    return record !== undefined && this.#codec.sameDigest(record.digest, presented.digest)
      ? record
      : undefined;
  }

  #apply(revocation: Revocation): void {
    if (revocation.form === 'subject') this.#cache.evictTagged(revocation.id);
    if (revocation.form === 'session')
      this.#cache.updateTagged(revocation.id, (record) => ended(record, revocation));
  }
}

/** The key as the revocation leaves it: revoked, or with an earlier end where the revocation takes effect later. */
function ended(record: ApiKeyRecord, revocation: Extract<Revocation, { form: 'session' }>): ApiKeyRecord {
  if (record.revokeTime !== undefined) return record;
  const { effectTime, revokeTime } = revocation;
  if (effectTime === undefined) return { ...record, revokeTime };
  return { ...record, expireTime: Math.min(record.expireTime ?? Infinity, effectTime) };
}
