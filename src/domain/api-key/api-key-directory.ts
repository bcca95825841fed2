// Caches keys that proved good, so that a gateway's key costs one database read a minute rather than one a call, and none while the database
// cannot be asked.

import { OutageCache } from '../cache/outage-cache.ts';
import type { Clock } from '../clock.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import type { RevocationIndex } from '../revocation/revocation-index.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { ApiKeyCodec, ApiKeyRecord, ApiKeyStore, PresentedApiKey } from './api-key.ts';
import { MissedKeys } from './missed-keys.ts';

/** How long a key is used before it is read again. Revocations do not wait for it: they are checked on every call. */
export const API_KEY_CACHE_MS = 60_000;

export type ApiKeyDirectoryDeps = {
  readonly apiKeys: Pick<ApiKeyStore, 'find'>;
  readonly apiKeyCodec: ApiKeyCodec;
  readonly revocationIndex: Pick<RevocationIndex, 'subscribe' | 'minVersionOf' | 'isSessionRevoked'>;
  readonly clock: Clock;
  /** How much longer a key may be used while the database cannot be asked, in milliseconds. */
  readonly outageGraceMs: number;
  readonly rateLimiter: RateLimiter;
};

/** Looks keys up by their secret. */
export class ApiKeyDirectory {
  readonly #store: Pick<ApiKeyStore, 'find'>;
  readonly #codec: ApiKeyCodec;
  readonly #cache: OutageCache<ApiKeyRecord>;
  readonly #missed: MissedKeys;

  constructor(deps: ApiKeyDirectoryDeps) {
    const { apiKeys, apiKeyCodec, revocationIndex, clock, outageGraceMs, rateLimiter } = deps;
    this.#store = apiKeys;
    this.#codec = apiKeyCodec;
    this.#missed = new MissedKeys({ clock, rateLimiter });
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
    revocationIndex.subscribe((revocations) => revocations.forEach((revocation) => this.#apply(revocation)));
  }

  /**
   * The record of the key with this secret, live or not; undefined when there is none. It is what the database said, at most API_KEY_CACHE_MS
   * ago, or the outage grace longer while it cannot be asked; never older than a revocation that this node knows. A
   * made-up key costs no look-up, unless it has the old form without a checksum; those are bounded, also for the address of the caller who shows
   * one. Errors: STORAGE_UNAVAILABLE; RATE_LIMITED and OVERLOADED for a key of the old form.
   */
  find(text: string, caller?: { readonly clientAddress: string }): MaybePromise<ApiKeyRecord | undefined> {
    const fingerprint = this.#codec.fingerprint(text);
    const presented =
      this.#cache.peek(fingerprint) === undefined ? this.#inspect(text, fingerprint) : 'cached';
    if (presented === undefined) return undefined;
    return this.#cache.find(fingerprint, () => this.#read(text, fingerprint, caller));
  }

  /** The key as it presents itself, unless it is known without a look-up that there is no such key. */
  #inspect(text: string, fingerprint: string): PresentedApiKey | undefined {
    return this.#missed.has(fingerprint) ? undefined : this.#codec.read(text);
  }

  async #read(
    text: string,
    fingerprint: string,
    caller: { readonly clientAddress: string } | undefined,
  ): Promise<ApiKeyRecord | undefined> {
    const presented = this.#inspect(text, fingerprint);
    if (presented === undefined) return undefined;
    const lookUp = () => this.#lookUp(presented);
    const record = presented.hasChecksum
      ? await lookUp()
      : await this.#missed.bounded(caller?.clientAddress, lookUp);
    if (record === undefined) this.#missed.note(fingerprint);
    return record;
  }

  async #lookUp(presented: PresentedApiKey): Promise<ApiKeyRecord | undefined> {
    const record = await this.#store.find(presented.id);
    const isTheSame = record !== undefined && this.#codec.sameDigest(record.digest, presented.digest);
    return isTheSame ? record : undefined;
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
