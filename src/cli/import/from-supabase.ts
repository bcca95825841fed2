// Supabase: the rows of auth.users as JSON.

import { z } from 'zod';
import { firstText, NOBODY, postgresTimeOf, readerOf } from './mapping.ts';

const text = z.string().nullish();

const User = z.object({
  id: z.string(),
  email: text,
  encrypted_password: text,
  email_confirmed_at: text,
  banned_until: text,
  deleted_at: text,
  created_at: text,
  last_sign_in_at: text,
  // Whatever the application put there.
  raw_user_meta_data: z.record(z.string(), z.unknown()).nullish(),
});

const TIME = 'must be a time as Postgres writes it, like 2024-05-06T07:08:09+00:00';

/** Reads a user of Supabase. What decides whether the account may log in must be readable, or the user is refused. */
export const fromSupabase = readerOf('id', User, (user) => {
  if ((user.deleted_at ?? '') !== '') return { field: 'deleted_at', description: 'was deleted there' };
  const [bannedUntil, confirmed] = [user.banned_until, user.email_confirmed_at].map(postgresTimeOf);
  if (Number.isNaN(bannedUntil)) return { field: 'banned_until', description: TIME };
  if (Number.isNaN(confirmed)) return { field: 'email_confirmed_at', description: TIME };
  return {
    ...NOBODY,
    externalId: user.id,
    email: user.email ?? '',
    emailVerified: confirmed !== undefined,
    fullName: firstText(user.raw_user_meta_data?.['full_name'], user.raw_user_meta_data?.['name']),
    suspended: (bannedUntil ?? Number.NEGATIVE_INFINITY) > Date.now(),
    passwordHash: user.encrypted_password ?? '',
    createTime: postgresTimeOf(user.created_at),
    lastLoginTime: postgresTimeOf(user.last_sign_in_at),
  };
});
