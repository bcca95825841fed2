// Auth0: the lines of a bulk export, and those of the export of password hashes that its support makes.

import { z } from 'zod';
import type { ImportedUser } from '../../domain/user-import/imported-user.ts';
import { firstText, NOBODY, phcBase64, readerOf, timeOf, usernameIfTaken } from './mapping.ts';

const text = z.string().nullish();
const time = z.union([z.string(), z.object({ $date: z.string() })]).nullish();

const CustomHash = z.object({
  algorithm: z.string(),
  hash: z.object({ value: z.string(), encoding: text }),
  salt: z.object({ value: z.string(), encoding: text }).nullish(),
  cost: z.number().nullish(),
  blockSize: z.number().nullish(),
  parallelization: z.number().nullish(),
});

const User = z.object({
  user_id: text,
  email: text,
  email_verified: z.boolean().nullish(),
  username: text,
  name: text,
  blocked: z.boolean().nullish(),
  created_at: time,
  last_login: time,
  passwordHash: text,
  password_hash: text,
  custom_password_hash: CustomHash.nullish(),
});

const ALONE =
  'is missing: a line of the export of password hashes does not say who is blocked; join it with the bulk export (docs/importing.md)';

/** Reads a user of the bulk export, or of both exports joined. One of the export of hashes alone is refused. */
export const fromAuth0 = readerOf('user_id', User, (user) => {
  const externalId = firstText(user.user_id);
  if (externalId === '') return { field: 'user_id', description: ALONE };
  return { ...accountOf(user), externalId };
});

function accountOf(user: z.infer<typeof User>): ImportedUser {
  return {
    ...NOBODY,
    email: user.email ?? '',
    emailVerified: user.email_verified ?? false,
    username: usernameIfTaken(user.username),
    // Auth0 calls people by their address when it knows no name.
    fullName: user.name === user.email ? '' : firstText(user.name),
    suspended: user.blocked ?? false,
    passwordHash: firstText(
      user.passwordHash,
      user.password_hash,
      user.custom_password_hash ? customHash(user.custom_password_hash) : '',
    ),
    createTime: timeIn(user.created_at),
    lastLoginTime: timeIn(user.last_login),
  };
}

function timeIn(value: z.infer<typeof time>): number | undefined {
  return timeOf(typeof value === 'object' ? value?.$date : value);
}

// As it stands where Auth0 writes it as others do. Whatever is none of ours stays as its name, which the check of the account refuses.
function customHash(custom: z.infer<typeof CustomHash>): string {
  const { algorithm, hash, salt, cost, blockSize, parallelization } = custom;
  if (['argon2', 'bcrypt', 'pbkdf2'].includes(algorithm)) return hash.value;
  if (algorithm !== 'scrypt') return algorithm;
  const logarithm = Math.log2(cost ?? 16_384);
  const bytes = [
    bytesOf(salt?.value ?? '', salt?.encoding ?? 'utf8'),
    bytesOf(hash.value, hash.encoding ?? 'hex'),
  ];
  const parts = bytes.map((part) => phcBase64(part.toString('base64')));
  return `$scrypt$ln=${logarithm},r=${blockSize ?? 8},p=${parallelization ?? 1}$${parts.join('$')}`;
}

function bytesOf(value: string, encoding: string): Buffer {
  if (encoding === 'hex') return Buffer.from(value, 'hex');
  return Buffer.from(value, encoding === 'base64' ? 'base64' : 'utf8');
}
