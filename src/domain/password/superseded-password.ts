// Superseded passwords: the one that an account had before, which a device of its owner may go on sending.

import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import type { CredentialStore } from '../account/credential-store.ts';
import type { PasswordHasher } from './password-hasher.ts';

/** For how long after its replacement a password counts as superseded, in milliseconds. */
export const SUPERSEDED_FOR_MS = 30 * 86_400_000;

export type SupersededPasswordDeps = {
  readonly credentials: Pick<CredentialStore, 'findSuperseded'>;
  readonly passwordHasher: Pick<PasswordHasher, 'verify' | 'needsRehash'>;
  readonly clock: Clock;
};

const UNKNOWN_USER_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Whether a password that is wrong was the account's until lately: then it is no guess, and does not count toward the lockout. Takes the time
 * of one hash for every account, with or without such a password, and for none (CWE-208); one hash is kept for each account, and one that
 * costs another time than today's hashes is not looked at. Takes no signal: who could cut it short would guess without being counted. False
 * when the hasher's queue is full: then the failure counts. Errors: STORAGE_UNAVAILABLE.
 */
export async function isSuperseded(
  { credentials, passwordHasher, clock }: SupersededPasswordDeps,
  userId: string | undefined,
  password: string,
): Promise<boolean> {
  const kept = await credentials.findSuperseded(userId ?? UNKNOWN_USER_ID, clock.now() - SUPERSEDED_FOR_MS);
  const hash = kept !== undefined && !passwordHasher.needsRehash(kept) ? kept : undefined;
  try {
    return await passwordHasher.verify(hash, password);
  } catch (error) {
    if (error instanceof DomainError && error.reason === 'OVERLOADED') return false;
    throw error;
  }
}
