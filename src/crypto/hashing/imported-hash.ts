// Classifies another system's text in the place of a password hash: a hash, no password, or nothing that can be taken, and why.

import type { ImportedHash } from '../../domain/user-import/imported-hash.ts';
import { inKnownForm } from '../legacy-hashes/hash-forms.ts';
import { isKnownHash } from '../legacy-hashes/legacy-hashes.ts';
import { SHA_CRYPT_ROUNDS } from '../legacy-hashes/legacy-iterated.ts';

// Django's set_unusable_password, shadow(5) and passlib's unix_disabled: what begins with `!` or is one of these matches no password.
const UNUSABLE = /^!|^\*(?:[01]|LK\*|NP\*)?$/;

const WITHOUT_IT = 'import the account without it, and its owner resets the password';

/** Texts that are recognized by how they begin or look, with the reason that is given. */
const REFUSALS: ReadonlyArray<readonly [RegExp, string]> = [
  [/^\{noop\}/i, `is a password in plain text and no hash: ${WITHOUT_IT}`],
  [
    /^(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}|\*[0-9a-f]{40})$/i,
    `is a fast hash like MD5 or SHA, from which passwords are found: ${WITHOUT_IT}`,
  ],
  [
    /^(?:\{(?:S?MD[45]|S?SHA(?:-?\d+)?|LDAP|CLEARTEXT)\}|(?:unsalted_)?(?:md5|sha1)\$|md5|sha1|sha256|sha512|\$1\$|\$apr1\$)/i,
    `is a fast hash like MD5 or SHA, from which passwords are found: ${WITHOUT_IT}`,
  ],
  [/^\$(?:y|gy|7|sha1|3)\$/, `is by an algorithm that is not taken: ${WITHOUT_IT}`],
  [/^\$2|^bcrypt|^\$wp|\$bcrypt/, 'must be a whole bcrypt hash of cost 4 to 16'],
  [/argon2/, 'must be a whole argon2 hash of at most 256 MiB, 16 passes and 64 lanes'],
  [/^\$?scrypt|^\$fbscrypt|^\{scrypt/, 'must be a whole scrypt hash of at most 256 MiB'],
  [/^\$?pbkdf2|^\{pbkdf2/, 'must be a whole PBKDF2 hash of at most 10,000,000 iterations'],
  [
    /^\$[56]\$/,
    `must be a whole SHA-crypt hash of ${SHA_CRYPT_ROUNDS.min} to ${SHA_CRYPT_ROUNDS.max} rounds`,
  ],
  [/^\$[PH]\$/, 'must be a whole phpass hash of 2^7 to 2^20 rounds'],
];

const UNKNOWN =
  'must be a hash in one of the forms that are taken, and within the cost that is (docs/importing.md)';

/** Reads what stands in the place of a hash: by its look alone, so that a wrong one costs nothing. Never repeats the text. */
export function readImportedHash(text: string): ImportedHash {
  if (text === '' || UNUSABLE.test(text)) return { hash: undefined };
  if (isKnownHash(text)) return { hash: inKnownForm(text) };
  const known = inKnownForm(text);
  return { refusal: REFUSALS.find(([pattern]) => pattern.test(known))?.[1] ?? UNKNOWN };
}
