// Whether a password may be chosen: checked wherever one is set.

import type { FieldViolation } from '../errors.ts';
import { DomainError } from '../errors.ts';
import type { BreachedPasswords } from './breached-passwords.ts';
import type { CommonPasswords } from './guessable-password.ts';
import type { PasswordOwner, PasswordPolicyName } from './password-policy.ts';
import { passwordViolations } from './password-policy.ts';

export type AcceptablePasswordDeps = {
  readonly passwordPolicy: PasswordPolicyName;
  readonly commonPasswords: CommonPasswords;
  readonly breachedPasswords: BreachedPasswords;
};

/** What decides whether a password may be chosen, without a network call. */
export type PasswordRules = Pick<AcceptablePasswordDeps, 'passwordPolicy' | 'commonPasswords'>;

/** PASSWORD_POLICY, with every rule broken. */
export function policyBroken(violations: readonly FieldViolation[]): DomainError {
  const rules = violations.map((violation) => violation.description).join(', ');
  return new DomainError('PASSWORD_POLICY', `The password ${rules}.`, { violations });
}

/**
 * Refuses a password that breaks the policy or is known from a breach; `others` are rules of the caller's own that it breaks. Errors:
 * PASSWORD_POLICY, with every rule broken as a violation of `field`; PASSWORD_BREACHED, asked only of a password that breaks none.
 */
export async function requireAcceptablePassword(
  deps: AcceptablePasswordDeps,
  field: string,
  password: string,
  owner: PasswordOwner,
  others: readonly FieldViolation[] = [],
): Promise<void> {
  const policy = passwordViolations(deps.passwordPolicy, deps.commonPasswords, field, password, owner);
  const violations = [...policy, ...others];
  if (violations.length > 0) throw policyBroken(violations);
  if (!(await deps.breachedPasswords.has(password))) return;
  throw new DomainError(
    'PASSWORD_BREACHED',
    'The password is known from a breach of another service: attackers try it. Choose another.',
    { violations: [{ field, description: 'must not be known from a breach' }] },
  );
}
