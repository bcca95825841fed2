// The signing keys in memory: which signs now, which verify, what the JWKS shows.

import type { Clock } from '../domain/clock.ts';
import { DomainError } from '../domain/errors.ts';
import type { PublicJwk, SigningKey } from '../domain/keyset/signing-key.ts';
import type { MasterKey } from './master-key.ts';
import type { OpenSigningKey } from './signing-keys.ts';
import { openSigningKey } from './signing-keys.ts';

/** A `kid` that nobody knows makes us look into the database at most this often, so that forged ones cause no fetch storm. */
export const UNKNOWN_KID_RELOAD_MS = 30_000;

export type KeysetDeps = {
  readonly signingKeys: { list(): Promise<readonly SigningKey[]> };
  readonly masterKey: MasterKey;
  readonly clock: Clock;
};

/** The keys as last read. */
export class Keyset {
  readonly #deps: KeysetDeps;
  #keys: ReadonlyMap<string, OpenSigningKey> = new Map();
  #unknownKidReloadAt = -Infinity;
  #unknownKidReload = Promise.resolve();

  constructor(deps: KeysetDeps) {
    this.#deps = deps;
  }

  /** Reads the keys anew. Errors: UnsealError, STORAGE_UNAVAILABLE; the keys from before stay then. */
  async reload(): Promise<void> {
    await this.replace(await this.#deps.signingKeys.list());
  }

  /** Takes over these keys. Errors: UnsealError; the keys from before stay then. */
  async replace(stored: readonly SigningKey[]): Promise<void> {
    const open = await Promise.all(
      stored.map(async (key) => this.#keys.get(key.kid) ?? openSigningKey(this.#deps.masterKey, key)),
    );
    this.#keys = new Map(open.map((key) => [key.kid, key]));
  }

  /** The key that signs now. Errors: STORAGE_UNAVAILABLE when no key has been loaded. */
  signer(): OpenSigningKey {
    const now = this.#deps.clock.now();
    let newest: OpenSigningKey | undefined;
    for (const key of this.#keys.values()) {
      if (key.activateTime <= now && (newest === undefined || key.activateTime > newest.activateTime))
        newest = key;
    }
    if (newest === undefined)
      throw new DomainError('STORAGE_UNAVAILABLE', 'No signing key is available. Try again.', {
        retryAfterMs: 1_000,
      });
    return newest;
  }

  /**
   * The key with this `kid`; looks into the database for an unknown one, at most once in UNKNOWN_KID_RELOAD_MS. Whoever asks meanwhile
   * shares the outcome of that look. Errors: those of `reload`.
   */
  async find(kid: string): Promise<OpenSigningKey | undefined> {
    const known = this.#keys.get(kid);
    if (known !== undefined) return known;
    const now = this.#deps.clock.now();
    if (now - this.#unknownKidReloadAt >= UNKNOWN_KID_RELOAD_MS) {
      this.#unknownKidReloadAt = now;
      this.#unknownKidReload = this.reload();
    }
    await this.#unknownKidReload;
    return this.#keys.get(kid);
  }

  /** The public keys, oldest first: what signs, what signed, and what will sign soon. */
  publicKeys(): readonly PublicJwk[] {
    return [...this.#keys.values()]
      .toSorted((left, right) => left.activateTime - right.activateTime)
      .map((key) => key.publicJwk);
  }
}
