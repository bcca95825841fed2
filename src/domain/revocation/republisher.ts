// Publishes again what came from the database and was not seen on the channel: a publish may be lost, refused, or die with a Redis that failed over.

import type { RevocationChannel } from './revocation-channel.ts';
import type { Revocation } from './revocation.ts';

export type RepublisherDeps = {
  readonly revocationChannel: Pick<RevocationChannel, 'publish' | 'reachesOthers'>;
  /** Monotonic milliseconds. */
  readonly stopwatch: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** How long a node may live by the channel alone. Whoever is fresh has read from the database what is older. */
  readonly windowMs: number;
};

/** Time enough for the publish of the node that revoked, which comes after its commit. */
const FIRST_DELAY_MS = 1_000;
/** Nodes wait for times of their own within it: the first publishes, and the others see that on the channel. */
const SPREAD_MS = 4_000;
/** How far the clock of the node that revoked may be behind; only sorts out what is old for certain. */
const MAX_CLOCK_ERROR_MS = 10 * 60_000;
const MAX_PENDING = 5_000;
const MAX_KNOWN = 20_000;
const MAX_PER_MESSAGE = 250;
const MAX_MESSAGES_PER_RUN = 4;

type Pending = { readonly revocation: Revocation; readonly readAt: number; readonly dueAt: number };

/**
 * Bounded in memory and in what it publishes: of N nodes one or two publish an entry again, once, and at most MAX_PER_MESSAGE times
 * MAX_MESSAGES_PER_RUN entries a second. Entries may arrive twice; that changes nothing. `run` it about once a second.
 */
export class Republisher {
  readonly #deps: RepublisherDeps;
  /** What needs no publishing by this node, and since when that is known; the oldest first. */
  readonly #known = new Map<string, number>();
  readonly #pending = new Map<string, Pending>();

  constructor(deps: RepublisherDeps) {
    this.#deps = deps;
  }

  /** Takes note of what came over the channel. */
  noteSeen(revocations: readonly Revocation[]): void {
    if (!this.#deps.revocationChannel.reachesOthers) return;
    for (const revocation of revocations) this.#noteKnown(keyOf(revocation));
  }

  /** Takes note of what is new in the database; `databaseTime` is when it was read there. */
  noteRead(revocations: readonly Revocation[], databaseTime: number): void {
    if (!this.#deps.revocationChannel.reachesOthers) return;
    const readAt = this.#deps.stopwatch();
    const oldest = databaseTime - this.#deps.windowMs - MAX_CLOCK_ERROR_MS;
    for (const revocation of revocations) {
      const key = keyOf(revocation);
      const isDone = this.#known.has(key) || this.#pending.has(key) || revocation.revokeTime < oldest;
      if (!isDone && this.#pending.size < MAX_PENDING)
        this.#pending.set(key, { revocation, readAt, dueAt: readAt + this.#delayMs() });
    }
  }

  /** Publishes what is due and still was not seen. Never fails: while the channel refuses, it tries again as long as that is of use. */
  async run(): Promise<void> {
    this.#dropOld();
    const now = this.#deps.stopwatch();
    const due = [...this.#pending].filter(([, { dueAt }]) => dueAt <= now);
    for (let message = 0; message < MAX_MESSAGES_PER_RUN; message += 1) {
      const batch = due.splice(0, MAX_PER_MESSAGE);
      if (batch.length === 0 || !(await this.#publish(batch))) return;
    }
  }

  async #publish(batch: ReadonlyArray<[key: string, pending: Pending]>): Promise<boolean> {
    try {
      await this.#deps.revocationChannel.publish(batch.map(([, { revocation }]) => revocation));
    } catch {
      // Who revoked has told of the failure; and the channel tells itself when it is away.
      const dueAt = this.#deps.stopwatch() + this.#delayMs();
      for (const [key, pending] of batch)
        if (this.#pending.has(key)) this.#pending.set(key, { ...pending, dueAt });
      return false;
    }
    for (const [key] of batch) this.#noteKnown(key);
    return true;
  }

  #noteKnown(key: string): void {
    this.#pending.delete(key);
    this.#known.delete(key);
    this.#known.set(key, this.#deps.stopwatch());
    if (this.#known.size <= MAX_KNOWN) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  #dropOld(): void {
    const now = this.#deps.stopwatch();
    const { windowMs } = this.#deps;
    for (const [key, { readAt }] of this.#pending) if (now - readAt > windowMs) this.#pending.delete(key);
    for (const [key, since] of this.#known) {
      if (now - since <= 2 * windowMs) break;
      this.#known.delete(key);
    }
  }

  #delayMs(): number {
    return FIRST_DELAY_MS + this.#deps.random() * SPREAD_MS;
  }
}

/** Equal for the same entry from wherever; another for one that says more. */
function keyOf(revocation: Revocation): string {
  const { form, id, expireTime } = revocation;
  const minVersion = form === 'subject' ? revocation.minVersion : '';
  const effectTime = form === 'session' ? (revocation.effectTime ?? '') : '';
  return [form, id, minVersion, effectTime, expireTime].join(' ');
}
