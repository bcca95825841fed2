// Which passwords a person may choose. Both policies report every rule that is broken, at once.

import type { FieldViolation } from '../errors.ts';
import { checkText } from '../text.ts';
import type { CommonPasswords } from './guessable-password.ts';
import { isGuessable } from './guessable-password.ts';

/** `strict`: 12 or more with upper, lower, digit, special. `nist`: 15 or more, no composition rules (NIST SP 800-63B-4, section 3.1.1.2). */
export type PasswordPolicyName = 'strict' | 'nist';

/** No password is longer: more would cost hashing time and add no strength. */
export const MAX_PASSWORD_LENGTH = 128;

/** No password of a login is longer, in bytes of UTF-8: a hash made elsewhere may be of one that breaks every rule for new ones. */
export const MAX_CURRENT_PASSWORD_BYTES = 4_096;

const COMPOSITION: ReadonlyArray<readonly [RegExp, string]> = [
  [/\p{Lu}/u, 'must hold an upper-case letter'],
  [/\p{Ll}/u, 'must hold a lower-case letter'],
  [/\p{Nd}/u, 'must hold a digit'],
  [/[^\p{L}\p{N}]/u, 'must hold a special character'],
];

/** What the password must not be built on. */
export type PasswordOwner = {
  readonly email: string;
  readonly username: string | undefined;
  readonly fullName: string;
};

/**
 * The violations of `password` (already in NFC), none when it may be chosen.
 */
export function passwordViolations(
  policy: PasswordPolicyName,
  common: CommonPasswords,
  field: string,
  password: string,
  owner: PasswordOwner,
): FieldViolation[] {
  const broken: string[] = [];
  const length = [...password].length;
  const min = policy === 'strict' ? 12 : 15;
  if (length < min) broken.push(`must have at least ${min} characters`);
  if (length > MAX_PASSWORD_LENGTH) broken.push(`must have at most ${MAX_PASSWORD_LENGTH} characters`);
  if (policy === 'strict') {
    broken.push(...COMPOSITION.filter(([pattern]) => !pattern.test(password)).map(([, rule]) => rule));
  }
  const folded = password.toLowerCase();
  if (isCommon(common, folded)) broken.push('must not be a common password');
  else if (length >= min && length <= MAX_PASSWORD_LENGTH && isGuessable(common, folded))
    broken.push('must not be built of common passwords, repeats, sequences or keys side by side');
  if (isBuiltOn(folded.replace(/\s+/gu, ''), owner))
    broken.push('must not be built on your own e-mail address or name');
  return broken.map((description) => ({ field, description }));
}

/** A password that is chosen now: in NFC, or why it cannot even be looked at. The policy is a question of its own. */
export function readPassword(field: string, raw: string): { text: string } | { violation: FieldViolation } {
  return checkText(raw, { field, min: 1, max: MAX_PASSWORD_LENGTH, secret: true });
}

/** A password that a caller presents, just as it was sent: only the hash shows whether it is right. Or why it cannot be compared. */
export function readCurrentPassword(
  field: string,
  raw: string,
): { text: string } | { violation: FieldViolation } {
  const refuse = (description: string) => ({ violation: { field, description } });
  if (raw === '') return refuse('is required');
  // A UTF-16 unit is one byte at least.
  const isTooLong = raw.length > MAX_CURRENT_PASSWORD_BYTES || byteLength(raw) > MAX_CURRENT_PASSWORD_BYTES;
  if (isTooLong) return refuse(`must have at most ${MAX_CURRENT_PASSWORD_BYTES} bytes`);
  if (!raw.isWellFormed()) return refuse('must be well-formed Unicode (it holds a lone surrogate)');
  return { text: raw };
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

// `Password123!` is `password` in disguise: digits and punctuation at the ends do not make a common word uncommon.
function isCommon(common: CommonPasswords, folded: string): boolean {
  return common.has(folded) || common.has(folded.replace(/[^\p{L}]+$/u, '').replace(/^[^\p{L}]+/u, ''));
}

function isBuiltOn(folded: string, owner: PasswordOwner): boolean {
  const [local = ''] = owner.email.toLowerCase().split('@');
  const names = [owner.email, local, owner.username ?? '', owner.fullName, ...owner.fullName.split(/\s+/u)];
  const rest = (name: string) => folded.split(name).join('');
  return names
    .map((name) => name.toLowerCase().replace(/\s+/gu, ''))
    .filter((name) => [...name].length >= 4)
    .some((name) => folded.includes(name) && [...rest(name)].length < 8);
}
