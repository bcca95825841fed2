// The live set of revocations, in memory: what every validation asks.

import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import type { Revocation } from './revocation.ts';

/** Older knowledge than this is not acted on: validation answers UNAVAILABLE. */
export const MAX_STALENESS_MS = 5_000;

/** What identifies a token to the index. */
export type RevocableToken = {
  readonly tokenId: string;
  readonly sessionId: string | undefined;
  readonly subjectId: string;
  readonly version: number;
};

type Entry = { readonly expireTime: number };
type Ending = Entry & { readonly effectTime: number | undefined };
type Epoch = Entry & { readonly minVersion: number };

/** Answers in constant time. Applying a revocation twice, or an older one after a newer one, changes nothing. */
export class RevocationIndex {
  readonly #clock: Clock;
  readonly #tokens = new Map<string, Entry>();
  readonly #sessions = new Map<string, Ending>();
  readonly #subjects = new Map<string, Epoch>();
  #freshAt = -Infinity;

  constructor(deps: { clock: Clock }) {
    this.#clock = deps.clock;
  }

  /** How many revocations are held. */
  get size(): number {
    return this.#tokens.size + this.#sessions.size + this.#subjects.size;
  }

  apply(revocations: Iterable<Revocation>): void {
    for (const revocation of revocations) this.#applyOne(revocation);
  }

  /** Notes that everything revoked before `time` has been applied. */
  markFresh(time: number): void {
    // A mark that lies in the future was made before the clock was set back, and is worth nothing.
    const isMisdated = this.#freshAt > this.#clock.now();
    this.#freshAt = isMisdated ? time : Math.max(this.#freshAt, time);
  }

  isFresh(): boolean {
    return Math.abs(this.#clock.now() - this.#freshAt) <= MAX_STALENESS_MS;
  }

  /** Errors: REVOCATIONS_STALE when the knowledge is older than MAX_STALENESS_MS. */
  requireFresh(): void {
    if (this.isFresh()) return;
    throw new DomainError(
      'REVOCATIONS_STALE',
      'This node cannot tell now which tokens are revoked. Try again.',
      {
        retryAfterMs: 1_000,
      },
    );
  }

  isRevoked(token: RevocableToken): boolean {
    return (
      this.#tokens.has(token.tokenId) ||
      (token.sessionId !== undefined && this.isSessionRevoked(token.sessionId)) ||
      token.version < this.minVersionOf(token.subjectId)
    );
  }

  /** Whether the session or API key is revoked by itself. */
  isSessionRevoked(id: string): boolean {
    const ending = this.#sessions.get(id);
    if (ending === undefined) return false;
    // What is revoked at once does not wait for this node's clock to agree that it is now.
    return ending.effectTime === undefined || ending.effectTime <= this.#clock.now();
  }

  /** The subject's lowest good `ver`. */
  minVersionOf(subjectId: string): number {
    return this.#subjects.get(subjectId)?.minVersion ?? 0;
  }

  /** Forgets what no token in date can match. */
  prune(): void {
    const now = this.#clock.now();
    for (const entries of [this.#tokens, this.#sessions, this.#subjects]) {
      for (const [id, entry] of entries) if (entry.expireTime <= now) entries.delete(id);
    }
  }

  #applyOne(revocation: Revocation): void {
    if (revocation.expireTime <= this.#clock.now()) return;
    if (revocation.form === 'token') return extend(this.#tokens, revocation);
    if (revocation.form === 'session') return this.#endSession(revocation);
    const known = this.#subjects.get(revocation.id);
    this.#subjects.set(revocation.id, {
      minVersion: Math.max(known?.minVersion ?? 0, revocation.minVersion),
      expireTime: Math.max(known?.expireTime ?? 0, revocation.expireTime),
    });
  }

  #endSession({ id, effectTime, expireTime }: Extract<Revocation, { form: 'session' }>): void {
    const known = this.#sessions.get(id);
    this.#sessions.set(id, {
      effectTime: known === undefined ? effectTime : soonest(known.effectTime, effectTime),
      expireTime: Math.max(known?.expireTime ?? 0, expireTime),
    });
  }
}

/** Undefined is at once, and nothing is sooner. */
function soonest(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? undefined : Math.min(left, right);
}

function extend(entries: Map<string, Entry>, revocation: Revocation): void {
  const known = entries.get(revocation.id);
  if (known === undefined || known.expireTime < revocation.expireTime)
    entries.set(revocation.id, { expireTime: revocation.expireTime });
}
