// Holds what the errors of Postgres come to: whatever refuses a connection is the database being away, never our fault.

import { expect, it } from 'vitest';
import { DomainError } from '../../src/domain/errors.ts';
import { translateError } from '../../src/storage/postgres/errors.ts';

const pgError = (code: string) => Object.assign(new Error('refused'), { code });

it.each([
  '08006',
  '08P01',
  '28P01',
  '28000',
  '3D000',
  '53300',
  '53100',
  '57P01',
  '57P03',
  '57P05',
  '58030',
  '25006',
])('SQLSTATE %s is STORAGE_UNAVAILABLE', (code) => {
  const translated = translateError(pgError(code));
  expect(translated instanceof DomainError && translated.reason).toBe('STORAGE_UNAVAILABLE');
});

it.each(['42P01', '23502', '22P02', '42501'])('SQLSTATE %s is our fault', (code) => {
  const error = pgError(code);
  expect(translateError(error)).toBe(error);
});
