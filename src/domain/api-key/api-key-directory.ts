// Remembers keys that proved good, so that a gateway's key costs one database read a minute rather than one a call.

import type { Clock } from '../clock.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import type { ApiKeyCodec, ApiKeyRecord, ApiKeyStore } from './api-key.ts';

/** How long a key is believed before it is read again. Revocations do not wait for it: they are checked on every call. */
export const API_KEY_MEMORY_MS = 60_000;
const MAX_REMEMBERED = 10_000;

type Remembered = { readonly record: ApiKeyRecord; readonly until: number };

/** Looks keys up by their secret. */
export class ApiKeyDirectory {
  readonly #store: Pick<ApiKeyStore, 'find'>;
  readonly #codec: ApiKeyCodec;
  readonly #clock: Clock;
  readonly #remembered = new Map<string, Remembered>();

  constructor(deps: { apiKeys: Pick<ApiKeyStore, 'find'>; apiKeyCodec: ApiKeyCodec; clock: Clock }) {
    this.#store = deps.apiKeys;
    this.#codec = deps.apiKeyCodec;
    this.#clock = deps.clock;
  }

  /**
   * The record of the key with this secret; undefined when there is none. `minVersion` is the owner's lowest good epoch: a record remembered
   * under a lower one is read again. Errors: STORAGE_UNAVAILABLE.
   */
  find(text: string, minVersionOf: (ownerId: string) => number): MaybePromise<ApiKeyRecord | undefined> {
    const fingerprint = this.#codec.fingerprint(text);
    const remembered = this.#remembered.get(fingerprint);
    if (remembered !== undefined && this.#isFresh(remembered, minVersionOf)) return remembered.record;
    return this.#lookUp(text, fingerprint);
  }

  async #lookUp(text: string, fingerprint: string): Promise<ApiKeyRecord | undefined> {
    this.#remembered.delete(fingerprint);
    const presented = this.#codec.read(text);
    if (presented === undefined) return undefined;
    const record = await this.#store.find(presented.id);
    if (record === undefined || !this.#codec.sameDigest(record.digest, presented.digest)) return undefined;
    this.#remember(fingerprint, record);
    return record;
  }

  #isFresh(remembered: Remembered, minVersionOf: (ownerId: string) => number): boolean {
    const { record, until } = remembered;
    return this.#clock.now() < until && record.ownerVersion >= minVersionOf(record.ownerId);
  }

  #remember(fingerprint: string, record: ApiKeyRecord): void {
    if (this.#remembered.size >= MAX_REMEMBERED) {
      const [oldest] = this.#remembered.keys();
      if (oldest !== undefined) this.#remembered.delete(oldest);
    }
    this.#remembered.set(fingerprint, { record, until: this.#clock.now() + API_KEY_MEMORY_MS });
  }
}
