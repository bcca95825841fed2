// What many access tokens have in common, kept once: role, scopes, audience, methods and signing key.

import type { AccessTokenClaims } from '../../domain/token/access-token.ts';

/** The claims of a token without what is its own, and the key that signed it. */
export type ClaimSet = Pick<AccessTokenClaims, 'subjectKind' | 'audience' | 'scopes' | 'role' | 'amr'> & {
  /** Undefined for a service, which is the client of its own tokens. */
  readonly clientId: string | undefined;
  readonly hasSession: boolean;
  readonly kid: string;
  /** The keyset's when the key was last seen to be there. */
  keysetVersion: number;
};

type Held = { readonly key: string; readonly set: ClaimSet; holders: number };

/** What the objects of one set take beside their texts, in bytes, measured and rounded up. */
const OBJECT_BYTES = 1_024;

/** Sets by number. A set is kept as long as it has holders. */
export class ClaimSets {
  readonly #numbers = new Map<string, number>();
  readonly #held: Array<Held | undefined> = [];
  readonly #free: number[] = [];
  #bytes = 0;

  /** What the sets take, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of the token's set, held once more. */
  hold(claims: AccessTokenClaims, kid: string, keysetVersion: number): number {
    const set = setOf(claims, kid, keysetVersion);
    const { keysetVersion: _changes, ...members } = set;
    const key = JSON.stringify(members);
    const known = this.#numbers.get(key);
    const held = known === undefined ? undefined : this.#held[known];
    if (known !== undefined && held !== undefined) {
      held.holders += 1;
      return known;
    }
    const number = this.#free.pop() ?? this.#held.length;
    this.#held[number] = { key, set, holders: 1 };
    this.#numbers.set(key, number);
    this.#bytes += bytesOf(key);
    return number;
  }

  /** The set with this number. Errors: RangeError when it has no holder. */
  get(number: number): ClaimSet {
    return this.#require(number).set;
  }

  /** Ends one hold. Errors: RangeError when there is none. */
  release(number: number): void {
    const held = this.#require(number);
    held.holders -= 1;
    if (held.holders > 0) return;
    this.#numbers.delete(held.key);
    this.#held[number] = undefined;
    this.#free.push(number);
    this.#bytes -= bytesOf(held.key);
  }

  #require(number: number): Held {
    const held = this.#held[number];
    if (held === undefined) throw new RangeError(`the claim set ${number} has no holder`);
    return held;
  }
}

function setOf(claims: AccessTokenClaims, kid: string, keysetVersion: number): ClaimSet {
  const { subjectKind, clientId, audience, scopes, role, amr, sessionId } = claims;
  return {
    subjectKind,
    clientId: subjectKind === 'service' ? undefined : clientId,
    audience,
    scopes,
    role,
    amr,
    hasSession: sessionId !== undefined,
    kid,
    keysetVersion,
  };
}

// The texts stand in the key and in the set, two bytes for each character at most.
function bytesOf(key: string): number {
  return OBJECT_BYTES + 4 * key.length;
}
