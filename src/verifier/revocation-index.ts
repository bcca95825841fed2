// What is revoked, in memory, as told by the feed.

import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Revocation } from '../../gen/latchkey/v1/revocation_pb.ts';
import { RevocationForm } from '../../gen/latchkey/v1/revocation_pb.ts';
import type { Clock } from './clock.ts';

/** What identifies a token to the index. */
export type RevocableToken = {
  readonly tokenId: string;
  readonly sessionId: string | undefined;
  readonly subjectId: string;
  readonly version: number;
};

type Entry = { readonly minVersion: number; readonly effectTime: number; readonly expireTime: number };
type Entries = Map<string, Entry>;

/** Answers in constant time. Applying a revocation twice, or an older one after a newer one, changes nothing. */
export class RevocationIndex {
  readonly #clock: Clock;
  readonly #staleAfterMs: number;
  readonly #tokens: Entries = new Map();
  readonly #sessions: Entries = new Map();
  readonly #subjects: Entries = new Map();
  #freshAt = -Infinity;

  constructor(clock: Clock, staleAfterMs: number) {
    this.#clock = clock;
    this.#staleAfterMs = staleAfterMs;
  }

  /** How many revocations are held. */
  get size(): number {
    return this.#tokens.size + this.#sessions.size + this.#subjects.size;
  }

  /** Errors: Error for a form that this version does not know: whoever passed it over would accept what is revoked. */
  apply(revocations: readonly Revocation[]): void {
    for (const revocation of revocations) this.#applyOne(revocation);
  }

  /** Notes that everything that was revoked before `time` has been applied. */
  markFresh(time: number): void {
    // A mark that lies in the future was made before the clock was set back, and is worth nothing.
    const isMisdated = this.#freshAt > this.#clock.now();
    this.#freshAt = isMisdated ? time : Math.max(this.#freshAt, time);
  }

  isFresh(): boolean {
    return Math.abs(this.#clock.now() - this.#freshAt) <= this.#staleAfterMs;
  }

  isRevoked(token: RevocableToken): boolean {
    if (this.#tokens.has(token.tokenId)) return true;
    if (token.version < (this.#subjects.get(token.subjectId)?.minVersion ?? 0)) return true;
    const ending = token.sessionId === undefined ? undefined : this.#sessions.get(token.sessionId);
    return ending !== undefined && ending.effectTime <= this.#clock.now();
  }

  /** Evicts what no token in date at `now` can match. */
  prune(now: number): void {
    for (const entries of [this.#tokens, this.#sessions, this.#subjects]) {
      for (const [id, entry] of entries) if (entry.expireTime <= now) entries.delete(id);
    }
  }

  #applyOne({ form, id, minVersion, effectTime, expireTime }: Revocation): void {
    const entries = this.#entriesOf(form);
    const known = entries.get(id);
    entries.set(id, {
      minVersion: Math.max(known?.minVersion ?? 0, minVersion),
      // No time is at once, whatever the clocks say.
      effectTime: Math.min(known?.effectTime ?? Infinity, timeOr(effectTime, -Infinity)),
      expireTime: Math.max(known?.expireTime ?? 0, timeOr(expireTime, Infinity)),
    });
  }

  #entriesOf(form: RevocationForm): Entries {
    if (form === RevocationForm.TOKEN) return this.#tokens;
    if (form === RevocationForm.SESSION) return this.#sessions;
    if (form === RevocationForm.SUBJECT) return this.#subjects;
    throw new Error(`the feed tells of a form of revocation that this verifier does not know: ${form}`);
  }
}

function timeOr(time: Timestamp | undefined, otherwise: number): number {
  return time === undefined ? otherwise : timestampMs(time);
}
