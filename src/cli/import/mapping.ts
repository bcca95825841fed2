// What the systems that people come from have in common: a line of JSON, checked by a schema, becomes an account to import.

import type { z } from 'zod';
import { username } from '../../domain/account/username.ts';
import type { FieldViolation } from '../../domain/errors.ts';
import { postgresTime, rfc3339Time } from '../../domain/written-time.ts';
import type { ImportedUser } from '../../domain/user-import/imported-user.ts';

/** Reads what one line of an export says; or answers why it is none, and whose it is where that can be read. Pure. */
export type ReadUser = (json: unknown) => { readonly user: ImportedUser } | UnreadUser;

export type UnreadUser = { readonly violations: readonly FieldViolation[]; readonly externalId: string };

/** An account of which nothing is known. */
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

/**
 * A reader by the system's schema, and what its fields are here; `idField` is the one that identifies an account. `map` may refuse an account by what
 * is wrong with it.
 */
export function readerOf<Shape>(
  idField: string,
  schema: z.ZodType<Shape>,
  map: (shape: Shape) => ImportedUser | FieldViolation,
): ReadUser {
  return (json) => {
    const unread = (violations: readonly FieldViolation[]): UnreadUser => {
      const id = valueAt(json, [idField]);
      const isId = typeof id === 'string' || Number.isSafeInteger(id);
      return { violations, externalId: isId ? String(id) : '' };
    };
    const parsed = schema.safeParse(json);
    if (!parsed.success) return unread(parsed.error.issues.flatMap((issue) => violationsOf(issue, json)));
    const mapped = map(parsed.data);
    return 'description' in mapped ? unread([mapped]) : { user: mapped };
  };
}

function violationsOf(issue: z.core.$ZodIssue, json: unknown): readonly FieldViolation[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      field: [...issue.path, key].join('.'),
      description: 'is no field that there is',
    }));
  const field = issue.path.join('.');
  if (valueAt(json, issue.path) === undefined) return [{ field, description: 'is required' }];
  const description = issue.code === 'invalid_type' ? mustBe(issue.expected) : issue.message;
  return [{ field, description }];
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  boolean: 'true or false',
  number: 'a number',
  object: 'an object',
  array: 'a list',
};

function mustBe(type: string): string {
  return `must be ${TYPES[type] ?? `of type ${type}`}`;
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return json;
  if (typeof json !== 'object' || json === null) return undefined;
  return valueAt(Reflect.get(json, name), rest);
}

/** Epoch milliseconds of an RFC 3339 time; not a number for any other text, which the check of the account names. */
export function timeOf(text: string | null | undefined): number | undefined {
  return isEmpty(text) ? undefined : (rfc3339Time(text) ?? Number.NaN);
}

/** As `timeOf`, of a time as Postgres writes it; may be infinite. */
export function postgresTimeOf(text: string | null | undefined): number | undefined {
  return isEmpty(text) ? undefined : (postgresTime(text) ?? Number.NaN);
}

/** The first of them that is a text with something in it: an empty field does not hide a later one. */
export function firstText(...values: readonly unknown[]): string {
  const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';
  return values.find(isText) ?? '';
}

function isEmpty(text: string | null | undefined): text is '' | null | undefined {
  return text === null || text === undefined || text === '';
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
