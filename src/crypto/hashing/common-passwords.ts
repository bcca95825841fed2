// The list of common passwords that may not be chosen.

import { dictionary } from '@zxcvbn-ts/language-common';
import type { CommonPasswords } from '../../domain/password/guessable-password.ts';

/** About 49,000 passwords seen most often in breaches, lower-cased, each with its place in the list. */
export function commonPasswords(): CommonPasswords & ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  for (const [index, password] of dictionary['passwords-common'].entries()) {
    const folded = password.toLowerCase();
    if (!ranks.has(folded)) ranks.set(folded, index + 1);
  }
  return ranks;
}
