// The bytes in textual password hashes: Base64 in its dialects, and the comparison of secrets.

import { timingSafeEqual } from 'node:crypto';

/** Whether a password made a certain hash. Runs off the event loop and compares in constant time. */
export type VerifyPassword = (password: string) => Promise<boolean>;

const MAX_SALT_LENGTH = 256;
// A shorter key is met by chance too often: every password matches an empty one.
const KEY_LENGTH = { min: 16, max: 128 };

/**
 * The bytes of standard Base64 (RFC 4648, section 4), with or without padding, and of passlib's dialect with `.` for `+`; undefined for
 * anything else, also where bits beyond the last byte are set.
 */
export function base64Bytes(text: string): Buffer | undefined {
  const standard = text.replaceAll('.', '+').replace(/={0,2}$/, '');
  const bytes = Buffer.from(standard, 'base64');
  return bytes.toString('base64').replace(/={0,2}$/, '') === standard ? bytes : undefined;
}

/** The bytes of lower-case hexadecimal; undefined for anything else. */
export function hexBytes(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'hex');
  return bytes.toString('hex') === text ? bytes : undefined;
}

/** A salt and the key that was derived with it; undefined when one is missing or of a length that no system uses. */
export function saltAndKey(
  salt: Buffer | undefined,
  key: Buffer | undefined,
): { readonly salt: Buffer; readonly key: Buffer } | undefined {
  if (salt === undefined || salt.length === 0 || salt.length > MAX_SALT_LENGTH) return undefined;
  if (key === undefined || key.length < KEY_LENGTH.min || key.length > KEY_LENGTH.max) return undefined;
  return { salt, key };
}

/** Compares in constant time; the lengths are no secret. */
export function sameBytes(left: Buffer, right: Buffer): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}
