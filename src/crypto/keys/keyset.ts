// Caches the signing keys: which signs now, which verify, what the JWKS shows.

import type { Clock } from '../../domain/clock.ts';
import { DomainError } from '../../domain/errors.ts';
import type { PublicJwk, SigningKeyStore } from '../../domain/keyset/signing-key.ts';
import type { Sealer } from './keyring.ts';
import type { OpenSigningKey } from './signing-keys.ts';
import { openSigningKey } from './signing-keys.ts';

/** After a look for an unknown `kid`, the next such look waits so long: forged ones cause no fetch storm. */
export const UNKNOWN_KID_RELOAD_MS = 30_000;

export type KeysetDeps = {
  readonly signingKeys: Pick<SigningKeyStore, 'list' | 'schedule'>;
  readonly sealer: Sealer;
  readonly clock: Clock;
};

/** The keys as last read. */
export class Keyset {
  readonly #deps: KeysetDeps;
  #keys: ReadonlyMap<string, OpenSigningKey> = new Map();
  #version = 0;
  #lastTurn: Promise<unknown> = Promise.resolve();
  #unknownKidReloadAt = -Infinity;
  #unknownKidReload = Promise.resolve();

  constructor(deps: KeysetDeps) {
    this.#deps = deps;
  }

  /** Raised whenever a key leaves: caches of verified tokens then check whether their key stays. */
  get version(): number {
    return this.#version;
  }

  /** Whether the key is one of the set as last read. */
  has(kid: string): boolean {
    return this.#keys.has(kid);
  }

  /** Reads the keys anew. Errors: UnsealError, STORAGE_UNAVAILABLE; the keys from before stay then. */
  reload(): Promise<void> {
    return this.#inTurn(() => this.#read());
  }

  /** Looks which keys there are, and reads them where that has changed. Errors: those of `reload`. */
  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const schedule = await this.#deps.signingKeys.schedule();
      const isSame = schedule.every(
        ({ kid, activateTime }) => this.#keys.get(kid)?.activateTime === activateTime,
      );
      if (!isSame || schedule.length !== this.#keys.size) await this.#read();
    });
  }

  // One after the other, so that what was read earlier never takes the place of what was read later.
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }

  async #read(): Promise<void> {
    const { signingKeys, sealer } = this.#deps;
    const stored = await signingKeys.list();
    const open = await Promise.all(
      stored.map(async (key) => {
        const opened = this.#keys.get(key.kid) ?? (await openSigningKey(sealer, key));
        return { ...opened, activateTime: key.activateTime };
      }),
    );
    const before = this.#keys;
    this.#keys = new Map(open.map((key) => [key.kid, key]));
    if ([...before.keys()].some((kid) => !this.#keys.has(kid))) this.#version += 1;
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
   * The key with this `kid`; looks into the database for an unknown one, and after a look in vain not again for UNKNOWN_KID_RELOAD_MS. Concurrent
   * calls share the outcome of that look. Errors: those of `reload`.
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
    const found = this.#keys.get(kid);
    if (found !== undefined) this.#unknownKidReloadAt = -Infinity;
    return found;
  }

  /** The public keys, oldest first: what signs, what signed, and what will sign soon. */
  publicKeys(): readonly PublicJwk[] {
    return [...this.#keys.values()]
      .toSorted((left, right) => left.activateTime - right.activateTime)
      .map((key) => key.publicJwk);
  }
}
