// The error for a request that did not arrive whole.

import { DomainError } from '../../domain/errors.ts';
import type { GiveUpReason } from '../transport/unfinished-requests.ts';

/** DEADLINE_EXCEEDED or OVERLOADED. */
export function givenUpFor(reason: GiveUpReason): DomainError {
  if (reason === 'late') return new DomainError('DEADLINE_EXCEEDED', 'The request did not arrive in time.');
  return new DomainError('OVERLOADED', 'Too many requests are arriving at once. Try again.', {
    retryAfterMs: 1_000,
  });
}
