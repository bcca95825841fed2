// What is revoked, in memory, as told by the feed.

import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Revocation } from '../../gen/latchkey/v1/revocation_pb.ts';
import { RevocationForm } from '../../gen/latchkey/v1/revocation_pb.ts';
import type { Entry, Form } from '../revocation-table/revocation-table.ts';
import { AT_ONCE, FORMS, RevocationTable } from '../revocation-table/revocation-table.ts';
import type { Clock } from './clock.ts';

/** What identifies a token to the index. */
export type RevocableToken = {
  readonly tokenId: string;
  readonly sessionId: string | undefined;
  readonly subjectId: string;
  readonly version: number;
};

/** Answers in constant time. Applying a revocation twice, or an older one after a newer one, changes nothing. */
export class RevocationIndex {
  readonly #clock: Clock;
  readonly #staleAfterMs: number;
  readonly #table = new RevocationTable();
  #freshAt = -Infinity;
  #prunedAt = -Infinity;

  constructor(clock: Clock, staleAfterMs: number) {
    this.#clock = clock;
    this.#staleAfterMs = staleAfterMs;
  }

  /** How many revocations are held. Expired ones count until `prune` has deleted them. */
  get size(): number {
    return this.#table.size;
  }

  /** Errors: Error for a form that this version does not know: whoever passed it over would accept what is revoked. */
  apply(revocations: readonly Revocation[]): void {
    for (const revocation of revocations) this.#table.put(toEntry(revocation), this.#prunedAt);
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
    if (this.#table.has(FORMS.token, token.tokenId)) return true;
    if (token.version < (this.#table.valueOf(FORMS.subject, token.subjectId) ?? 0)) return true;
    if (token.sessionId === undefined) return false;
    const effectTime = this.#table.valueOf(FORMS.session, token.sessionId);
    return effectTime !== undefined && effectTime <= this.#clock.now();
  }

  /** Evicts what no token in date at `now` can match, a bounded number at a time; call it about once a second. */
  prune(now: number): void {
    this.#prunedAt = now;
    this.#table.prune(now);
  }
}

function toEntry({ form, id, minVersion, revokeTime, effectTime, expireTime }: Revocation): Entry {
  return {
    form: formOf(form),
    id,
    revokeTime: timeOr(revokeTime, 0),
    // Without one it is kept for good.
    expireTime: timeOr(expireTime, Infinity),
    value: form === RevocationForm.SESSION ? timeOr(effectTime, AT_ONCE) : minVersion,
  };
}

function formOf(form: RevocationForm): Form {
  if (form === RevocationForm.TOKEN) return FORMS.token;
  if (form === RevocationForm.SESSION) return FORMS.session;
  if (form === RevocationForm.SUBJECT) return FORMS.subject;
  throw new Error(`the feed tells of a form of revocation that this verifier does not know: ${form}`);
}

function timeOr(time: Timestamp | undefined, otherwise: number): number {
  return time === undefined ? otherwise : timestampMs(time);
}
