// What the systems that people come from have in common: a line of JSON, checked by a schema, becomes an account to import.

import type { z } from 'zod';
import { username } from '../../domain/account/username.ts';
import type { FieldViolation } from '../../domain/errors.ts';
import type { ImportedUser } from '../../domain/user-import/imported-user.ts';

/** Reads what one line of an export says; or tells why it is none. Pure. */
export type ReadUser = (
  json: unknown,
) => { readonly user: ImportedUser } | { readonly violations: readonly FieldViolation[] };

/** Somebody of whom nothing is known. */
export const NOBODY: ImportedUser = {
  externalId: '',
  email: '',
  emailVerified: false,
  username: '',
  fullName: '',
  role: '',
  suspended: false,
  passwordHash: '',
  createTime: undefined,
  lastLoginTime: undefined,
};

/** A reader by the system's schema, and what its fields are here. `map` may refuse an account by what is wrong with it. */
export function readerOf<Shape>(
  schema: z.ZodType<Shape>,
  map: (shape: Shape) => ImportedUser | FieldViolation,
): ReadUser {
  return (json) => {
    const parsed = schema.safeParse(json);
    if (!parsed.success) {
      return {
        violations: parsed.error.issues.map(({ path, message }) => ({
          field: path.join('.'),
          description: message,
        })),
      };
    }
    const mapped = map(parsed.data);
    return 'description' in mapped ? { violations: [mapped] } : { user: mapped };
  };
}

/** Epoch milliseconds of a time as text; not a number when it is none, which the check of the account names. */
export function timeOf(text: string | null | undefined): number | undefined {
  return text === null || text === undefined || text === '' ? undefined : Date.parse(text);
}

/** The user name where it is one here too, and nothing where it is not: its owner logs in by the address. */
export function usernameIfTaken(text: string | null | undefined): string {
  const read = username('username', text ?? '');
  return 'username' in read ? read.username.text : '';
}

/** The Base64 without padding that PHC strings are made of, from any of its dialects. */
export function phcBase64(text: string): string {
  return text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
}
