// What a password hash costs to check, as far as its text says: algorithm and parameters without salt and key.

import { inKnownForm } from '../legacy-hashes/hash-forms.ts';

const NUMBER = /^\d{1,9}$/;
const PARAMETER = /^[A-Za-z]{1,8}=[\dA-Za-z]{1,10}$/;
const WORD =
  /^(?:argon2[\w-]*|bcrypt[\w-]*|\w{0,8}scrypt|pbkdf2[\w-]*|sha-?\d{1,3}|s2|wp|2[abxy]|[PH1567y])$/i;
/** The first of these characters say how often phpass and ASP.NET Core Identity iterate. */
const PHPASS = /^\$[PH]\$./;
const BLOB_PARAMETERS = 16;

/**
 * The same text for all hashes of one algorithm with one set of parameters. Where a format is not known it may hold less, and then takes hashes of different costs
 * for one shape. Pure.
 */
export function hashShape(hash: string): string {
  const text = inKnownForm(hash);
  const phpass = PHPASS.exec(text)?.[0];
  if (phpass !== undefined) return phpass;
  if (!/[$:]/.test(text)) return text.slice(0, BLOB_PARAMETERS);
  return text.replaceAll(/[^$:,]+/g, (part) =>
    NUMBER.test(part) || PARAMETER.test(part) || WORD.test(part) ? part : '#',
  );
}
