// How many guesses a password withstands, of an attacker who tries what people are known to choose: common passwords, repeats, sequences, keyboard walks.

import { walksFrom } from './keyboard-walk.ts';

/** Where a password stands in the list of common ones, counted from 1 for the commonest, by its lower case. */
export type CommonPasswords = {
  has(lowerCased: string): boolean;
  get(lowerCased: string): number | undefined;
};

/** Fewer guesses than 10 to this are within reach of an attacker who guesses through a login form for months. */
const MIN_GUESSES_LOG10 = 8;

const WORD_LENGTH = { min: 3, max: 20 };
/** What a piece costs to guess, as the logarithm to 10. */
const COST = {
  copy: 1,
  distantCopy: 1.5,
  step: 1,
  walk: 1.2,
  turn: 0.4,
  year: 2,
  counted: 1.2,
  wordRank: 0.3,
};
/** How far back a sequence may count on: `a1b2c3` is one by two. */
const MAX_STRIDE = 8;

/**
 * Whether the password, lower-cased, is put together from so few pieces that an attacker who tries such pieces finds it. An estimate from below: the
 * cheapest way to write the password as pieces (a shortest path), each with what it costs to guess. Time grows with the cube of the length
 * at most: some milliseconds for 128 characters. Pure.
 */
export function isGuessable(common: CommonPasswords, folded: string): boolean {
  const characters = [...folded];
  const spellings = spellingsOf(characters);
  const best = [0, ...characters.map(() => Number.POSITIVE_INFINITY)];
  for (const start of characters.keys()) {
    const before = best[start] ?? 0;
    const offer = (end: number, cost: number) => {
      if (before + cost < (best[end] ?? 0)) best[end] = before + cost;
    };
    offer(start + 1, characterCost(characters[start] ?? ''));
    offerWords(common, spellings, start, offer);
    offerCopies(characters, start, offer);
    if (isYear(characters, start)) offer(start + 4, COST.year);
    for (const { end, turns } of walksFrom(characters, start)) offer(end, COST.walk + turns * COST.turn);
  }
  return (best[characters.length] ?? 0) < MIN_GUESSES_LOG10;
}

/** What people count by, other than digits and the alphabet: cheap wherever one stands. */
const COUNTED = new Set(
  `january february march april may june july august september october november december jan feb mar apr jun jul aug sep oct nov dec
  monday tuesday wednesday thursday friday saturday sunday one two three four five six seven eight nine ten`.split(
    /\s+/,
  ),
);

type Offer = (end: number, cost: number) => void;

function characterCost(character: string): number {
  if (/\d/.test(character)) return 1;
  if (/[a-z ]/.test(character)) return 1.4;
  return /\p{Script=Han}/u.test(character) ? 2.5 : 1.6;
}

const LEET: Readonly<Record<string, string>> = {
  '4': 'a',
  '@': 'a',
  '0': 'o',
  '3': 'e',
  $: 's',
  '5': 's',
  '7': 't',
  '+': 't',
};

// As it stands, and with the digits and signs that stand for letters undone; `1` and `!` stand for two.
function spellingsOf(characters: readonly string[]): ReadonlyArray<readonly string[]> {
  const undone = (one: string) =>
    characters.map((character) => ('1!|'.includes(character) ? one : (LEET[character] ?? character)));
  return [characters, undone('i'), undone('l')];
}

function offerWords(
  common: CommonPasswords,
  spellings: ReadonlyArray<readonly string[]>,
  start: number,
  offer: Offer,
): void {
  for (const characters of spellings) {
    let word = characters.slice(start, start + WORD_LENGTH.min - 1).join('');
    const last = Math.min(characters.length, start + WORD_LENGTH.max);
    for (let end = start + WORD_LENGTH.min; end <= last; end += 1) {
      word += characters[end - 1] ?? '';
      if (COUNTED.has(word)) offer(end, COST.counted);
      const rank = common.get(word);
      if (rank !== undefined) offer(end, Math.log10(rank) + COST.wordRank);
    }
  }
}

// A stretch that repeats an earlier one (`abcabc`, `aaaa`), or counts on from it (`abcd`, `9876`, `aabbccdd`, `a1b2c3`).
function offerCopies(characters: readonly string[], start: number, offer: Offer): void {
  for (let distance = 1; distance <= start; distance += 1) {
    for (const step of distance <= MAX_STRIDE ? [0, 1, -1] : [0]) {
      for (let end = start; isStep(characters, end, distance, step); end += 1) {
        const isAdjacent = step !== 0 || end + 1 - start >= distance;
        if (end > start) offer(end + 1, step === 0 ? (isAdjacent ? COST.copy : COST.distantCopy) : COST.step);
      }
    }
  }
}

function isStep(characters: readonly string[], at: number, distance: number, step: number): boolean {
  const [now, then] = [characters[at], characters[at - distance]];
  if (now === undefined || then === undefined) return false;
  return step === 0 ? now === then : (now.codePointAt(0) ?? 0) - (then.codePointAt(0) ?? 0) === step;
}

function isYear(characters: readonly string[], start: number): boolean {
  return /^(?:19|20)\d\d$/.test(characters.slice(start, start + 4).join(''));
}
