// What administrators are refused in more than one place.

import { DomainError } from '../errors.ts';

const isTaken = (field: string) => ({ violations: [{ field, description: 'is taken' }] });

/** EMAIL_TAKEN, not hidden: the caller may look the account up. */
export function emailTaken(field: string): DomainError {
  return new DomainError('EMAIL_TAKEN', 'Another account has this e-mail address.', isTaken(field));
}

/** USERNAME_TAKEN. */
export function usernameTaken(field: string): DomainError {
  return new DomainError('USERNAME_TAKEN', 'This user name is taken. Choose another.', isTaken(field));
}

/** ROLE_NOT_FOUND. */
export function roleNotFound(): DomainError {
  return new DomainError('ROLE_NOT_FOUND', 'There is no role of this name.');
}

/** ACCOUNT_SUSPENDED, for what makes sense only once it is not. */
export function mustBeReactivated(): DomainError {
  return new DomainError('ACCOUNT_SUSPENDED', 'This account is suspended. Reactivate it first.');
}
