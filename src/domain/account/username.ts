// User names: which we take, and when two are the same.

import type { FieldViolation } from '../errors.ts';

/** A checked user name: as written, and the key by which two are the same. */
export type Username = { readonly text: string; readonly key: string };

const USERNAME = /^[A-Za-z0-9_-]{3,50}$/;

/** 3 to 50 ASCII letters, digits, `-` and `_`: no homographs, and never mistaken for an e-mail address. */
export function username(field: string, raw: string): { username: Username } | { violation: FieldViolation } {
  if (!USERNAME.test(raw))
    return { violation: { field, description: 'must have 3 to 50 letters, digits, - and _' } };
  return { username: { text: raw, key: usernameKey(raw) } };
}

/** The key under which a user name is unique: lower case. */
export function usernameKey(text: string): string {
  return text.toLowerCase();
}
