// Proving a person by the password of the account, outside a login.

import { DomainError } from '../errors.ts';
import type { CodeAttempt, CodeAttemptDeps } from '../mfa/code-attempt.ts';
import { refuseWrong, requireUnlockedAttempt } from '../mfa/code-attempt.ts';
import type { PasswordHasher } from './password-hasher.ts';
import type { UserWithPassword } from '../account/user.ts';

export type ProvePasswordDeps = CodeAttemptDeps & { readonly passwordHasher: Pick<PasswordHasher, 'verify'> };

/** Whose password is tried. */
export type PasswordAttempt = CodeAttempt & { readonly user: UserWithPassword };

/**
 * Resolves when the password is the account's. A wrong one is counted toward the lockout and written down as the attempt's event, committed
 * though the call is refused. An account without a password has none that is right. Errors: INVALID_CREDENTIALS, ACCOUNT_LOCKED, OVERLOADED,
 * CALL_CANCELLED, STORAGE_UNAVAILABLE.
 */
export async function provePassword(
  deps: ProvePasswordDeps,
  attempt: PasswordAttempt,
  password: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await requireUnlockedAttempt(deps, attempt);
  const { passwordHash } = attempt.user;
  const matches = await deps.passwordHasher.verify(passwordHash, password, signal);
  if (passwordHash !== undefined && matches) return;
  await refuseWrong(deps, attempt, new DomainError('INVALID_CREDENTIALS', 'The password is wrong.'));
}
