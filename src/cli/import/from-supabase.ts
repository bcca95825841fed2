// Supabase: the rows of auth.users as JSON.

import { z } from 'zod';
import { NOBODY, readerOf, timeOf } from './mapping.ts';

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

/** Reads a user of Supabase. */
export const fromSupabase = readerOf('id', User, (user) => {
  if ((user.deleted_at ?? '') !== '') return { field: 'deleted_at', description: 'was deleted there' };
  const { full_name: fullName, name } = user.raw_user_meta_data ?? {};
  return {
    ...NOBODY,
    externalId: user.id,
    email: user.email ?? '',
    emailVerified: (user.email_confirmed_at ?? '') !== '',
    fullName: [fullName, name].find((value) => typeof value === 'string') ?? '',
    suspended: (timeOf(user.banned_until) ?? 0) > Date.now(),
    passwordHash: user.encrypted_password ?? '',
    createTime: timeOf(user.created_at),
    lastLoginTime: timeOf(user.last_sign_in_at),
  };
});
