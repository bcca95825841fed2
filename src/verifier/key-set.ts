// The public keys of the service (JWKS, RFC 7517), fetched when they are needed and again when they may have changed.

import { setTimeout as delay } from 'node:timers/promises';
import type { CryptoKey } from 'jose';
import { importJWK } from 'jose';
import { z } from 'zod';
import type { Clock } from './clock.ts';

/** A key, and the one algorithm that it verifies (RFC 8725, section 3.1). */
export type VerificationKey = { readonly algorithm: string; readonly key: CryptoKey };

/** Fetches the JWKS document. */
export type FetchJwks = () => Promise<unknown>;

export type KeySetOptions = {
  readonly fetchJwks: FetchJwks;
  readonly clock: Clock;
  readonly onFault: (error: Error) => void;
};

/** The keys cannot be fetched now: nothing can be said about the token. */
export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError';
}

/** The service publishes a key ten minutes before it signs, so that whoever looks this often always knows it in time. */
const REFRESH_MS = 5 * 60_000;
/** A `kid` that nobody knows makes us fetch at most this often, so that forged ones cause no storm. */
const UNKNOWN_KID_FETCH_MS = 30_000;
/** How soon after a failure the next try. */
const RETRY_MS = 1_000;

const Jwks = z.object({ keys: z.array(z.unknown()) });
// Private and symmetric keys have no place in a public set, and a key without `alg` would let the token choose.
const Jwk = z.looseObject({
  kid: z.string().min(1),
  kty: z.enum(['EC', 'OKP', 'RSA']),
  alg: z.enum(['ES256', 'EdDSA', 'RS256']),
  use: z.literal('sig').exactOptional(),
});

/** The keys as last fetched. */
export class KeySet {
  readonly #options: KeySetOptions;
  #keys: ReadonlyMap<string, VerificationKey> | undefined;
  #fetching: Promise<void> | undefined;
  #fetchedAt = -Infinity;
  #unknownKidFetchAt = -Infinity;
  #failedAt: number | undefined;
  readonly #firstLoaded = Promise.withResolvers<void>();

  constructor(options: KeySetOptions) {
    this.#options = options;
  }

  /** The key with this `kid`; undefined when the service has none. Errors: KeysUnavailableError. */
  async find(kid: string): Promise<VerificationKey | undefined> {
    const known = this.get(kid);
    if (known !== undefined) return known;
    if (this.#mayFetchForUnknown()) await this.fetch();
    else if (this.#fetching !== undefined) await this.#fetching;
    // Whoever could not look cannot say that the key does not exist.
    if (this.#failedAt !== undefined) throw new KeysUnavailableError('the keys cannot be fetched');
    return this.get(kid);
  }

  /** The key when it is at hand. Asks for the set anew, without waiting for it, when it has become old. */
  get(kid: string): VerificationKey | undefined {
    const isOld = Math.abs(this.#options.clock.now() - this.#fetchedAt) >= REFRESH_MS;
    if (this.#keys !== undefined && isOld && this.#mayRetry()) void this.fetch();
    return this.#keys?.get(kid);
  }

  /** Resolves when the set has been fetched for the first time. */
  get firstLoaded(): Promise<void> {
    return this.#firstLoaded.promise;
  }

  /** Fetches until it has succeeded once, or `signal` aborts. */
  async load(signal: AbortSignal): Promise<void> {
    while (this.#keys === undefined && !signal.aborted) {
      await this.fetch();
      if (this.#keys === undefined)
        await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Fetches the set; whoever asks meanwhile shares the outcome. A failure is told to `onFault`, and the keys from before stay. */
  fetch(): Promise<void> {
    this.#fetching ??= this.#fetchNow().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  #mayFetchForUnknown(): boolean {
    if (this.#fetching !== undefined || !this.#mayRetry()) return false;
    const now = this.#options.clock.now();
    const wasAsked = Math.abs(now - this.#unknownKidFetchAt) < UNKNOWN_KID_FETCH_MS;
    if (this.#keys !== undefined && this.#failedAt === undefined && wasAsked) return false;
    this.#unknownKidFetchAt = now;
    return true;
  }

  #mayRetry(): boolean {
    return this.#failedAt === undefined || Math.abs(this.#options.clock.now() - this.#failedAt) >= RETRY_MS;
  }

  async #fetchNow(): Promise<void> {
    const { fetchJwks, clock, onFault } = this.#options;
    try {
      this.#keys = await readJwks(await fetchJwks());
      this.#fetchedAt = clock.now();
      this.#failedAt = undefined;
      this.#firstLoaded.resolve();
    } catch (error) {
      this.#failedAt = clock.now();
      onFault(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

// A key that cannot be read is passed over: the others are good all the same.
async function readJwks(document: unknown): Promise<ReadonlyMap<string, VerificationKey>> {
  const found = await Promise.all(Jwks.parse(document).keys.map(readJwk));
  const keys = new Map(found.filter((entry) => entry !== undefined));
  if (keys.size === 0) throw new Error('the key set holds no key that could verify a token');
  return keys;
}

async function readJwk(raw: unknown): Promise<readonly [string, VerificationKey] | undefined> {
  const jwk = Jwk.safeParse(raw);
  if (!jwk.success) return undefined;
  const { kid, alg } = jwk.data;
  const key = await importJWK(jwk.data, alg).catch(() => undefined);
  return key === undefined || key instanceof Uint8Array ? undefined : [kid, { algorithm: alg, key }];
}
