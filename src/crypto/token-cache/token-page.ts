// A page of cached tokens in columns: what is a token's own, packed so that the garbage collector has one text for each token to look at.

import type { AccessTokenClaims } from '../../domain/token/access-token.ts';
import type { ClaimSet } from './claim-sets.ts';
import { PAGE_SLOTS } from './digest-index.ts';

/** What a text takes beside its characters, in bytes: V8's header, and the filling up to whole words. */
const TEXT_OVERHEAD = 24;
const POINTER_BYTES = 8;
/** A slot's place in the list of free ones. */
const FREE_BYTES = 8;
const TIMES = 4;

/** The ids of a token in one text, and what the text takes in bytes; undefined for ids that hold other than latin1 characters, as none of ours do. */
export function idsOf(
  claims: AccessTokenClaims,
): { readonly text: string; readonly bytes: number } | undefined {
  const joined = claims.tokenId + claims.subjectId + (claims.sessionId ?? '');
  // Read back from bytes, for a joined text would keep its parts alive, and with them what they were cut from.
  const text = Buffer.from(joined, 'latin1').toString('latin1');
  return text === joined ? { text, bytes: text.length + TEXT_OVERHEAD } : undefined;
}

/** The columns of PAGE_SLOTS tokens. A slot is a place within the page. */
export class TokenPage {
  /** What one page takes without texts, in bytes. */
  static readonly BYTES = PAGE_SLOTS * (TIMES * 8 + 8 + 4 + 2 * 2 + 2 + 1 + POINTER_BYTES + FREE_BYTES);

  /** Issued, not before, expires and authenticated, epoch milliseconds; NaN when never. */
  readonly #times = new Float64Array(PAGE_SLOTS * TIMES);
  readonly #versions = new Float64Array(PAGE_SLOTS);
  readonly #claimSets = new Uint32Array(PAGE_SLOTS);
  /** The lengths of the token's and the subject's id in the text. */
  readonly #lengths = new Uint16Array(PAGE_SLOTS * 2);
  readonly #shares = new Uint16Array(PAGE_SLOTS);
  readonly #uses = new Uint8Array(PAGE_SLOTS);
  readonly #texts: string[] = Array.from({ length: PAGE_SLOTS }, () => '');

  write(
    slot: number,
    claims: AccessTokenClaims,
    ids: string,
    numbers: { claimSet: number; share: number },
  ): void {
    const { issuedAt, notBefore, expiresAt, authTime = Number.NaN } = claims;
    this.#times.set([issuedAt, notBefore, expiresAt, authTime], slot * TIMES);
    this.#versions[slot] = claims.version;
    this.#claimSets[slot] = numbers.claimSet;
    this.#lengths[slot * 2] = claims.tokenId.length;
    this.#lengths[slot * 2 + 1] = claims.subjectId.length;
    this.#shares[slot] = numbers.share;
    this.#uses[slot] = 0;
    this.#texts[slot] = ids;
  }

  /** Empties the slot. */
  clear(slot: number): void {
    this.#texts[slot] = '';
  }

  isFree(slot: number): boolean {
    return this.#texts[slot] === '';
  }

  /** What the slot's text takes, in bytes. */
  textBytes(slot: number): number {
    return (this.#texts[slot] ?? '').length + TEXT_OVERHEAD;
  }

  claimSet(slot: number): number {
    return this.#claimSets[slot] ?? 0;
  }

  share(slot: number): number {
    return this.#shares[slot] ?? 0;
  }

  uses(slot: number): number {
    return this.#uses[slot] ?? 0;
  }

  setUses(slot: number, uses: number): void {
    this.#uses[slot] = uses;
  }

  expiresAt(slot: number): number {
    return this.#times[slot * TIMES + 2] ?? 0;
  }

  /** The claims, as they were written. */
  claims(slot: number, set: ClaimSet): AccessTokenClaims {
    const text = this.#texts[slot] ?? '';
    const subjectAt = this.#lengths[slot * 2] ?? 0;
    const sessionAt = subjectAt + (this.#lengths[slot * 2 + 1] ?? 0);
    const subjectId = text.slice(subjectAt, sessionAt);
    const time = slot * TIMES;
    const authTime = this.#times[time + 3] ?? Number.NaN;
    return {
      tokenId: text.slice(0, subjectAt),
      subjectId,
      subjectKind: set.subjectKind,
      clientId: set.clientId ?? subjectId,
      sessionId: set.hasSession ? text.slice(sessionAt) : undefined,
      audience: set.audience,
      issuedAt: this.#times[time] ?? 0,
      notBefore: this.#times[time + 1] ?? 0,
      expiresAt: this.#times[time + 2] ?? 0,
      scopes: set.scopes,
      role: set.role,
      version: this.#versions[slot] ?? 0,
      amr: set.amr,
      authTime: Number.isNaN(authTime) ? undefined : authTime,
    };
  }
}
