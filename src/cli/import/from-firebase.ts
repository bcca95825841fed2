// Firebase Authentication: the users of `firebase auth:export`, with the parameters of the project's hash.

import { z } from 'zod';
import type { ReadUser } from './mapping.ts';
import { NOBODY, readerOf } from './mapping.ts';

const text = z.string().nullish();
// Milliseconds, as text.
const time = z.union([z.string(), z.number()]).nullish();

const User = z.object({
  localId: z.string(),
  email: text,
  emailVerified: z.boolean().nullish(),
  displayName: text,
  disabled: z.boolean().nullish(),
  passwordHash: text,
  salt: text,
  createdAt: time,
  lastSignedInAt: time,
});

const Base64 = z
  .string()
  .regex(/^[A-Za-z0-9+/_-]+={0,2}$/)
  .transform((value) => value.replaceAll('-', '+').replaceAll('_', '/'));

/** How a project hashes: what the Firebase console shows under "Password hash parameters". */
const HashConfig = z.object({
  base64_signer_key: Base64,
  base64_salt_separator: Base64,
  rounds: z.coerce.number().int().min(1).max(999),
  mem_cost: z.coerce.number().int().min(1).max(99),
});

export type FirebaseHashConfig = z.infer<typeof HashConfig>;

/** Reads the parameters, as the console shows them or as JSON. Errors: Error that names what is missing or wrong, and not its value. */
export function readHashConfig(given: string): FirebaseHashConfig {
  const values = Object.keys(HashConfig.shape).map((name) => {
    const value = new RegExp(`"?${name}"?\\s*:\\s*"?([^",\\s}]+)`).exec(given)?.[1];
    return [name, value] as const;
  });
  const parsed = HashConfig.safeParse(Object.fromEntries(values));
  if (parsed.success) return parsed.data;
  const names = parsed.error.issues.map(({ path }) => path.join('.'));
  throw new Error(`the Firebase hash parameters: ${names.join(', ')} missing or wrong`);
}

/** Reads users of Firebase. Without parameters those who have a password are refused. */
export function fromFirebase(config: FirebaseHashConfig | undefined): ReadUser {
  return readerOf('localId', User, (user) => {
    const hasPassword = (user.passwordHash ?? '') !== '';
    if (hasPassword && config === undefined)
      return { field: 'passwordHash', description: 'needs --firebase-hash-config' };
    return {
      ...NOBODY,
      externalId: user.localId,
      email: user.email ?? '',
      emailVerified: user.emailVerified ?? false,
      fullName: user.displayName ?? '',
      suspended: user.disabled ?? false,
      passwordHash:
        hasPassword && config !== undefined ? hashOf(config, user.salt ?? '', user.passwordHash ?? '') : '',
      createTime: millisecondsOf(user.createdAt),
      lastLoginTime: millisecondsOf(user.lastSignedInAt),
    };
  });
}

function hashOf(config: FirebaseHashConfig, salt: string, hash: string): string {
  const { base64_signer_key: signer, base64_salt_separator: separator, rounds, mem_cost: memory } = config;
  const [standardSalt, standardHash] = [salt, hash].map((value) =>
    value.replaceAll('-', '+').replaceAll('_', '/'),
  );
  return `$fbscrypt$v=1,n=${memory},r=${rounds},p=1,ss=${separator},sk=${signer}$${standardSalt}$${standardHash}`;
}

function millisecondsOf(value: z.infer<typeof time>): number | undefined {
  if (value === null || value === undefined || value === '') return undefined;
  return /^\d{1,15}$/.test(String(value)) ? Number(value) : Number.NaN;
}
