// CheckPassword: what would be wrong with a password, before it is chosen.

import type { FieldViolation } from '../errors.ts';
import type { AcceptablePasswordDeps } from './acceptable-password.ts';
import type { PasswordOwner } from './password-policy.ts';
import { passwordViolations } from './password-policy.ts';

export type CheckPasswordDeps = AcceptablePasswordDeps;

/** Every rule that the password breaks, and whether it is known from a breach. Keeps nothing. Errors: none. */
export async function checkPassword(
  deps: CheckPasswordDeps,
  password: string,
  owner: PasswordOwner,
): Promise<{ readonly violations: readonly FieldViolation[]; readonly breached: boolean }> {
  const { passwordPolicy, commonPasswords, breachedPasswords } = deps;
  return {
    violations: passwordViolations(passwordPolicy, commonPasswords, 'password', password, owner),
    breached: await breachedPasswords.has(password),
  };
}
