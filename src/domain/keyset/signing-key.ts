// Signing keys: when each is published, signs, and is dropped.

/** JWS algorithms that access tokens may be signed with (RFC 7518, RFC 8037). */
export type SigningAlgorithm = 'ES256' | 'EdDSA' | 'RS256';

/** The public half as a JWK (RFC 7517), with `kid`, `alg` and `use`. */
export type PublicJwk = Readonly<Record<string, string>> & { readonly kid: string; readonly kty: string };

/** A key as it is stored. Times are epoch milliseconds. */
export type SigningKey = {
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  readonly publicJwk: PublicJwk;
  /** The private half (PKCS #8), sealed with the master key. */
  readonly sealedPrivateKey: Uint8Array;
  readonly createTime: number;
  /** Published before, signs from here on until a newer key does. */
  readonly activateTime: number;
};

/** What a key does now. */
export type SigningKeyState = 'published' | 'signing' | 'verifying';

/** Port: where keys are kept. */
export type SigningKeyStore = {
  list(): Promise<readonly SigningKey[]>;
  /** Which keys there are, without the keys: cheap enough to ask for every second. */
  schedule(): Promise<ReadonlyArray<Pick<SigningKey, 'kid' | 'activateTime'>>>;
  insert(key: SigningKey): Promise<void>;
  setActivateTime(kid: string, activateTime: number): Promise<void>;
  delete(kid: string): Promise<void>;
  /** Lets one transaction at a time look and insert: a lock until the transaction ends. */
  lock(): Promise<void>;
};

/** Port: makes a new key pair. */
export type NewSigningKey = (
  algorithm: SigningAlgorithm,
  createTime: number,
  activateTime: number,
) => Promise<SigningKey>;

/** How long a key is offered before it signs: longer than any verifier caches a fetched set. */
export const PUBLICATION_LEAD_MS = 10 * 60_000;

/** How long a key that is to sign at once waits until every node has read it: each looks every second. */
export const SPREAD_MS = 3_000;

/** How long a fetched key set may be kept (Cache-Control of the JWKS). */
export const JWKS_CACHE_MS = 5 * 60_000;

/** The key that signs now: the newest that is active. */
export function signingKeyAt(keys: readonly SigningKey[], now: number): SigningKey | undefined {
  return keys
    .filter((key) => key.activateTime <= now)
    .toSorted((left, right) => right.activateTime - left.activateTime)[0];
}

/** What `key`, one of `keys`, does at `now`. */
export function stateOf(keys: readonly SigningKey[], key: SigningKey, now: number): SigningKeyState {
  if (key.activateTime > now) return 'published';
  return signingKeyAt(keys, now) === key ? 'signing' : 'verifying';
}

/** When no token in date can be signed by `key` any more; undefined while none takes its place. */
export function retireTimeOf(
  keys: readonly SigningKey[],
  key: SigningKey,
  tokenTtlMs: number,
): number | undefined {
  const [successor] = keys
    .filter((other) => other.activateTime > key.activateTime)
    .toSorted((left, right) => left.activateTime - right.activateTime);
  return successor === undefined ? undefined : successor.activateTime + tokenTtlMs + PUBLICATION_LEAD_MS;
}

/** The keys that no token in date can be signed by: another has signed for longer than a token lives. */
export function retiredKeys(
  keys: readonly SigningKey[],
  now: number,
  tokenTtlMs: number,
): readonly SigningKey[] {
  return keys.filter((key) => {
    const retireTime = retireTimeOf(keys, key, tokenTtlMs);
    return retireTime !== undefined && retireTime < now;
  });
}
