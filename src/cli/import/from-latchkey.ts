// Our own form: the fields of ImportedUser in proto/latchkey/v1/user_import.proto, by their JSON names or as they stand there.

import { z } from 'zod';
import type { ReadUser } from './mapping.ts';
import { NOBODY, readerOf, timeOf } from './mapping.ts';

const text = z.string().nullish();
const flag = z.boolean().nullish();

// Strict: a field that is misspelt would be lost without a word.
const User = z.strictObject({
  // Tables count their rows: a whole number stands for its digits. Above 2^53 JSON would have lost some.
  externalId: z.union([z.string(), z.int().transform(String)], {
    error: 'must be a text or a whole number below 2^53',
  }),
  email: z.string(),
  emailVerified: flag,
  username: text,
  fullName: text,
  role: text,
  suspended: flag,
  passwordHash: text,
  createTime: text,
  lastLoginTime: text,
});

const readCamelCase = readerOf('externalId', User, (user) => ({
  ...NOBODY,
  externalId: user.externalId,
  email: user.email,
  emailVerified: user.emailVerified ?? false,
  username: user.username ?? '',
  fullName: user.fullName ?? '',
  role: user.role ?? '',
  suspended: user.suspended ?? false,
  passwordHash: user.passwordHash ?? '',
  createTime: timeOf(user.createTime),
  lastLoginTime: timeOf(user.lastLoginTime),
}));

/** Reads a line in our own form. */
export const fromLatchkey: ReadUser = (json) => {
  if (!isObject(json)) return readCamelCase(json);
  const twice = writtenTwice(Object.keys(json));
  if (twice.length === 0) return readCamelCase(inCamelCase(json));
  const violations = twice.map((field) => ({ field, description: 'is there in both spellings' }));
  return { violations, externalId: '' };
};

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function writtenTwice(names: readonly string[]): readonly string[] {
  return names.filter((name) => camelCase(name) !== name && names.includes(camelCase(name)));
}

function inCamelCase(json: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [camelCase(name), value]));
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
