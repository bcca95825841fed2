// Whether a password may be chosen: asked wherever somebody chooses one.

import { DomainError } from '../errors.ts';
import type { CommonPasswords, PasswordOwner, PasswordPolicyName } from './password-policy.ts';
import { passwordViolations } from './password-policy.ts';

export type AcceptablePasswordDeps = {
  readonly passwordPolicy: PasswordPolicyName;
  readonly commonPasswords: CommonPasswords;
};

/** Refuses a password that breaks the policy. Errors: PASSWORD_POLICY, with every rule broken as a violation of `field`. */
export async function requireAcceptablePassword(
  deps: AcceptablePasswordDeps,
  field: string,
  password: string,
  owner: PasswordOwner,
): Promise<void> {
  const violations = passwordViolations(deps.passwordPolicy, deps.commonPasswords, field, password, owner);
  if (violations.length === 0) return;
  const rules = violations.map((violation) => violation.description).join(', ');
  throw new DomainError('PASSWORD_POLICY', `The password ${rules}.`, { violations });
}
