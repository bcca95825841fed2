// The list of common passwords that may not be chosen.

import { createRequire } from 'node:module';
import type * as LanguageCommon from '@zxcvbn-ts/language-common';
import type { CommonPasswords } from '../../domain/password/guessable-password.ts';

const require = createRequire(import.meta.url);

/**
 * About 49,000 passwords seen most often in breaches, lower-cased, each with its place in the list. It is read by the first look at it, which takes some
 * 50 ms and 6 MiB that a service which only validates never spends.
 */
export function commonPasswords(): CommonPasswords {
  let read: ReadonlyMap<string, number> | undefined;
  const ranks = () => (read ??= readRanks());
  return { has: (password) => ranks().has(password), get: (password) => ranks().get(password) };
}

function readRanks(): ReadonlyMap<string, number> {
  // An import cannot wait until it is needed where nobody can wait for it.
  const { dictionary } = require('@zxcvbn-ts/language-common') as typeof LanguageCommon;
  const ranks = new Map<string, number>();
  for (const [index, password] of dictionary['passwords-common'].entries()) {
    const folded = password.toLowerCase();
    if (!ranks.has(folded)) ranks.set(folded, index + 1);
  }
  return ranks;
}
