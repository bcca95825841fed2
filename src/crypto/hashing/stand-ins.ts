// Hashes that stand in for accounts that do not exist, so that checking them takes as long as it would if they did (CWE-208).

import { createHmac, createSecretKey } from 'node:crypto';
import type { HashShape, HashShapes } from '../../domain/password/hash-census.ts';
import { hashShape } from './hash-shape.ts';

/** More could not be distinguished by timing, and each costs a hash of every login. */
const MAX_SHAPES = 32;
const FRACTION_LENGTH = 6;

/**
 * Chooses for each identifier a hash of one of the shapes that the accounts have, in the same proportions: as far as timing shows, an unknown
 * identifier is one more account. An identifier has the same shape at every attempt, on every node and after every start, and another only as the
 * accounts' shapes change (weighted rendezvous hashing). The outcome of a check against a stand-in never counts.
 */
export class StandIns implements HashShapes {
  readonly #key: ReturnType<typeof createSecretKey>;
  readonly #own: HashShape;
  readonly #isUsable: (hash: string) => boolean;
  #shapes: readonly HashShape[];

  /** `own` is a hash with today's parameters, which always stands in too; `isUsable` says whether a hash can be checked. */
  constructor(secret: Uint8Array, own: string, isUsable: (hash: string) => boolean) {
    this.#key = createSecretKey(secret);
    this.#own = { shape: hashShape(own), accounts: 1, example: own };
    this.#isUsable = isUsable;
    this.#shapes = [this.#own];
  }

  learn(hashes: readonly string[]): void {
    const found = new Map<string, { accounts: number; example: string }>([
      [this.#own.shape, { ...this.#own }],
    ]);
    for (const hash of hashes) {
      const shape = hashShape(hash);
      const known = found.get(shape);
      if (known !== undefined) known.accounts += 1;
      else if (this.#isUsable(hash)) found.set(shape, { accounts: 1, example: hash });
    }
    this.#shapes = [...found]
      .map(([shape, { accounts, example }]) => ({ shape, accounts, example }))
      .toSorted((one, other) => other.accounts - one.accounts || (one.shape < other.shape ? -1 : 1))
      .slice(0, MAX_SHAPES);
  }

  /** The hash to check for this identifier; without one, a hash with today's parameters. */
  of(identifier: string | undefined): string {
    if (identifier === undefined) return this.#own.example;
    let best = { score: -Infinity, example: this.#own.example };
    for (const { shape, accounts, example } of this.#shapes) {
      const score = Math.log(this.#fraction(identifier, shape)) / accounts;
      if (score > best.score) best = { score, example };
    }
    return best.example;
  }

  // Above 0 and at most 1.
  #fraction(identifier: string, shape: string): number {
    const mac = createHmac('sha256', this.#key).update(`${shape}\0${identifier}`).digest();
    return (mac.readUIntBE(0, FRACTION_LENGTH) + 1) / 2 ** (8 * FRACTION_LENGTH);
  }
}
