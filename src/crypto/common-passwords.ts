// The list of common passwords that nobody may choose.

import { dictionary } from '@zxcvbn-ts/language-common';
import type { CommonPasswords } from '../domain/account/password-policy.ts';

/** About 49,000 passwords seen most often in breaches, lower-cased. */
export function commonPasswords(): CommonPasswords {
  return new Set(dictionary['passwords-common'].map((password) => password.toLowerCase()));
}
