// Caches the claims of access tokens whose signatures have been verified, within a bound of bytes.

import { hash, randomBytes } from 'node:crypto';
import type { AccessTokenClaims } from '../../domain/token/access-token.ts';
import type { ClaimSet } from './claim-sets.ts';
import { ClaimSets } from './claim-sets.ts';
import type { Digest } from './digest-index.ts';
import { DIGEST_PAGE_BYTES, DigestIndex, PAGE_SLOTS, readDigest } from './digest-index.ts';
import { idsOf, TokenPage } from './token-page.ts';

/** A token that is cached. */
export type CachedToken = { readonly claims: AccessTokenClaims; readonly set: ClaimSet };

const PAGE_BYTES = TokenPage.BYTES + DIGEST_PAGE_BYTES;
const SHARES = 65_536;
/** Below this part of the cache all subjects are equal. */
const FAIR_SHARE = 1 / 256;
/** How many tokens each eviction compares. */
const SAMPLES = 4;
/** Uses beyond this do not count: a token that is used no more must not stay for long. */
const MAX_USES = 3;
/** How many slots each insertion looks at for expired tokens. */
const SWEEP = 2;

/**
 * Claims by the SHA-256 of the whole token: who wants a hit for a text that was never verified must find a second preimage. Digests, not tokens,
 * so comparing them need take no constant time: a text that shares a prefix of a digest says nothing of the token. Nothing here is a
 * verdict; times, keys and revocations are the caller's to check on every hit.
 *
 * Evicts by sampling: of a few tokens taken at random the one whose subject holds most, beyond a 256th of the cache; among equals the one that
 * was used least since it was last sampled. A newcomer is not admitted while all of these have been used since, nor when its subject holds more than
 * theirs: whoever mints many tokens evicts their own. Chance has no order that a scan could run against: a working set a little above the capacity
 * misses a little.
 */
export class TokenCache {
  readonly #maxBytes: number;
  readonly #index = new DigestIndex();
  readonly #claimSets = new ClaimSets();
  readonly #pages: TokenPage[] = [];
  readonly #free: number[] = [];
  /** What the tokens of the subjects of each share take, in bytes. */
  readonly #shareBytes = new Float64Array(SHARES);
  /** Nobody can choose a subject to share a share with. */
  readonly #salt = randomBytes(16).toString('latin1');
  readonly #digest: Digest = new Uint32Array(8);
  #textBytes = 0;
  #hand = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** How many tokens there are. */
  get size(): number {
    return this.#slots - this.#free.length;
  }

  /** What all of it takes, in bytes; at most `maxBytes`. */
  get bytes(): number {
    return (
      this.#pages.length * PAGE_BYTES +
      this.#index.tableBytes +
      this.#shareBytes.byteLength +
      this.#textBytes +
      this.#claimSets.bytes
    );
  }

  /** The token with this digest (latin1), as a use of it; undefined on a miss. */
  find(digest: string): CachedToken | undefined {
    const slot = this.#find(digest);
    if (slot === -1) return undefined;
    const page = this.#page(slot);
    const place = slot % PAGE_SLOTS;
    const uses = page.uses(place);
    if (uses < MAX_USES) page.setUses(place, uses + 1);
    const set = this.#claimSets.get(page.claimSet(place));
    return { claims: page.claims(place, set), set };
  }

  /** Deletes the token with this digest, if there is one. */
  delete(digest: string): void {
    const slot = this.#find(digest);
    if (slot !== -1) this.#delete(slot);
  }

  /**
   * Inserts a verified token, unless there is no room and it is not admitted. Its claims, which share what other tokens have too where it was
   * inserted. `now` is epoch milliseconds.
   */
  insert(
    digest: string,
    claims: AccessTokenClaims,
    key: { readonly kid: string; readonly keysetVersion: number },
    now: number,
  ): AccessTokenClaims {
    this.delete(digest);
    this.#sweep(now);
    const ids = idsOf(claims);
    if (ids === undefined) return claims;
    const share = this.#shareOf(claims.subjectId);
    const claimSet = this.#claimSets.hold(claims, key.kid, key.keysetVersion);
    const slot = this.#makeRoom(ids.bytes, share, now);
    if (slot === undefined) {
      this.#claimSets.release(claimSet);
      return claims;
    }
    readDigest(digest, this.#digest);
    this.#index.add(this.#digest, slot);
    const page = this.#page(slot);
    page.write(slot % PAGE_SLOTS, claims, ids.text, { claimSet, share });
    this.#textBytes += ids.bytes;
    this.#addToShare(share, ids.bytes);
    return page.claims(slot % PAGE_SLOTS, this.#claimSets.get(claimSet));
  }

  get #slots(): number {
    return this.#pages.length * PAGE_SLOTS;
  }

  #find(digest: string): number {
    readDigest(digest, this.#digest);
    return this.#index.find(this.#digest);
  }

  #page(slot: number): TokenPage {
    const page = this.#pages[Math.floor(slot / PAGE_SLOTS)];
    if (page === undefined) throw new RangeError(`slot ${slot} has no page`);
    return page;
  }

  #shareOf(subjectId: string): number {
    const digest = hash('sha256', this.#salt + subjectId, 'latin1');
    return digest.charCodeAt(0) | (digest.charCodeAt(1) << 8);
  }

  /** A free slot, and room for a text; undefined when the newcomer is not admitted. */
  #makeRoom(textBytes: number, share: number, now: number): number | undefined {
    for (;;) {
      if (this.#free.length === 0) this.#addPage(textBytes);
      if (this.#free.length > 0 && this.bytes + textBytes <= this.#maxBytes) return this.#free.pop();
      if (!this.#evictFor(share, now)) return undefined;
    }
  }

  #addPage(textBytes: number): void {
    const { tableBytes, nextTableBytes } = this.#index;
    if (this.bytes + PAGE_BYTES + nextTableBytes - tableBytes + textBytes > this.#maxBytes) return;
    const first = this.#slots;
    this.#index.addPage();
    this.#pages.push(new TokenPage());
    for (let slot = first + PAGE_SLOTS - 1; slot >= first; slot -= 1) this.#free.push(slot);
  }

  /** Evicts one token in favour of a subject's new one; false when that one is not admitted. */
  #evictFor(share: number, now: number): boolean {
    let victim = -1;
    let standing = -1;
    let uses = 0;
    for (const slot of this.#sample()) {
      const page = this.#page(slot);
      const place = slot % PAGE_SLOTS;
      if (page.expiresAt(place) <= now) {
        this.#delete(slot);
        return true;
      }
      const itsStanding = this.#standing(page.share(place));
      const itsUses = page.uses(place);
      // What stays has to be used again to stay for long.
      if (itsUses > 0) page.setUses(place, itsUses - 1);
      if (itsStanding < standing || (itsStanding === standing && itsUses >= uses)) continue;
      [victim, standing, uses] = [slot, itsStanding, itsUses];
    }
    if (victim === -1 || uses > 0 || this.#standing(share) > standing) return false;
    this.#delete(victim);
    return true;
  }

  *#sample(): Generator<number, void, undefined> {
    if (this.size === 0) return;
    for (let taken = 0; taken < SAMPLES;) {
      const slot = Math.floor(Math.random() * this.#slots);
      if (this.#page(slot).isFree(slot % PAGE_SLOTS)) continue;
      taken += 1;
      yield slot;
    }
  }

  /** How much a share holds, where that is more than fair. */
  #standing(share: number): number {
    return Math.max(this.#shareBytes[share] ?? 0, this.#maxBytes * FAIR_SHARE);
  }

  #sweep(now: number): void {
    for (let looked = 0; looked < SWEEP && this.#slots > 0; looked += 1) {
      const slot = this.#hand % this.#slots;
      this.#hand = slot + 1;
      const page = this.#page(slot);
      const place = slot % PAGE_SLOTS;
      if (!page.isFree(place) && page.expiresAt(place) <= now) this.#delete(slot);
    }
  }

  #delete(slot: number): void {
    const page = this.#page(slot);
    const place = slot % PAGE_SLOTS;
    const bytes = page.textBytes(place);
    this.#index.delete(slot);
    this.#claimSets.release(page.claimSet(place));
    this.#addToShare(page.share(place), -bytes);
    this.#textBytes -= bytes;
    page.clear(place);
    this.#free.push(slot);
  }

  #addToShare(share: number, textBytes: number): void {
    const slotBytes = Math.sign(textBytes) * (PAGE_BYTES / PAGE_SLOTS);
    this.#shareBytes[share] = (this.#shareBytes[share] ?? 0) + textBytes + slotBytes;
  }
}
