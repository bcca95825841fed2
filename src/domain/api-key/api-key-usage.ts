// Counts the uses of API keys in memory, so that a call by a key writes nothing: what was counted is written down now and then.

import type { Clock } from '../clock.ts';
import type { ApiKeyStore, ApiKeyUse } from './api-key.ts';

/** How often what was counted is written down. */
export const USAGE_FLUSH_INTERVAL_MS = 30_000;

/** The uses that this node has seen and not yet written down. */
export class ApiKeyUsage {
  readonly #clock: Clock;
  readonly #store: Pick<ApiKeyStore, 'addUses'>;
  #counts = new Map<string, { count: number; lastUsedTime: number }>();

  constructor(deps: { clock: Clock; apiKeys: Pick<ApiKeyStore, 'addUses'> }) {
    this.#clock = deps.clock;
    this.#store = deps.apiKeys;
  }

  /** Counts one use of a key that proved good. */
  note(id: string): void {
    this.#add({ id, count: 1, lastUsedTime: this.#clock.now() });
  }

  /**
   * Writes down what was counted; uses noted meanwhile wait for the next time. Errors: STORAGE_UNAVAILABLE; what was counted is then kept. A
   * write that failed only in its answer is counted twice: the count shows how busy a key is, and nothing is decided by it.
   */
  async flush(): Promise<void> {
    if (this.#counts.size === 0) return;
    const uses = [...this.#counts].map(([id, use]): ApiKeyUse => ({ id, ...use }));
    this.#counts = new Map();
    try {
      await this.#store.addUses(uses);
    } catch (error) {
      for (const use of uses) this.#add(use);
      throw error;
    }
  }

  #add({ id, count, lastUsedTime }: ApiKeyUse): void {
    const known = this.#counts.get(id);
    if (known === undefined) {
      this.#counts.set(id, { count, lastUsedTime });
      return;
    }
    known.count += count;
    known.lastUsedTime = Math.max(known.lastUsedTime, lastUsedTime);
  }
}
