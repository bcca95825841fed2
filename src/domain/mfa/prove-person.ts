// Proof that the caller with a session is the person: by the password or a code, besides the session.

import type { ProvePasswordDeps } from '../password/prove-password.ts';
import { provePassword } from '../password/prove-password.ts';
import type { UserStore } from '../account/user-store.ts';
import type { UserWithPassword } from '../account/user.ts';
import type { AuditKind, CallOrigin } from '../audit/audit-event.ts';
import { DomainError } from '../errors.ts';
import { sessionCounter } from '../lockout/failure-counter.ts';
import type { LockoutStore } from '../lockout/lockout-store.ts';
import { accountLocked, lockedUntil } from '../lockout/lockout.ts';
import type { Transact } from '../transactions.ts';
import type { CodeAttempt } from './code-attempt.ts';
import { codeInvalid, refuseAttempt, refuseWrongCode, requireUnlockedAttempt } from './code-attempt.ts';
import type { FactorUse, MatchedFactor, MatchFactorDeps, TypedFactor } from './match-factor.ts';
import { matchFactor, useFactor } from './match-factor.ts';

export type PersonProof = { readonly kind: 'password'; readonly password: string } | TypedFactor;

export type ProvenInput = {
  readonly userId: string;
  /** The calling session. */
  readonly sessionId: string;
  readonly proof: PersonProof;
  readonly origin: CallOrigin;
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal;
};

export type ProvePersonDeps = ProvePasswordDeps & MatchFactorDeps;

export type SettleStores = {
  readonly lockouts: Pick<LockoutStore, 'findLocks'>;
  readonly totpFactors: FactorUse;
};

/** Whose proof is tried. */
export type PersonAttempt = CodeAttempt & { readonly user: UserWithPassword };

// What another call may have done between the look and the act.
const RACES: ReadonlySet<string> = new Set<DomainError['reason']>(['MFA_CODE_INVALID', 'ACCOUNT_LOCKED']);

/** The attempt of the calling session to do what is audited as `kind`. Errors: USER_NOT_FOUND, STORAGE_UNAVAILABLE. */
export async function personAttempt(
  { users }: { readonly users: Pick<UserStore, 'findWithPassword'> },
  { userId, sessionId, origin }: Pick<ProvenInput, 'userId' | 'sessionId' | 'origin'>,
  kind: AuditKind,
): Promise<PersonAttempt> {
  const user = await users.findWithPassword(userId);
  if (user === undefined) throw new DomainError('USER_NOT_FOUND', 'The account does not exist any more.');
  return { user, counter: sessionCounter(sessionId), event: { kind, actorId: userId, origin } };
}

/**
 * Runs `work` in one transaction once the proof is found right. `work` locks the account's row and then calls `settle`, which uses the code up,
 * and counts the proof only while the session's counter is not locked, so that guesses made at once are no more than guesses made in turn.
 * Wrong proofs are counted and audited though the call is refused; a refusal uses up nothing. Errors: those of `work`, INVALID_CREDENTIALS,
 * MFA_CODE_INVALID, ACCOUNT_LOCKED, OVERLOADED, CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function actAsPerson<Stores extends SettleStores, Result>(
  deps: ProvePersonDeps & { readonly transact: Transact<Stores> },
  attempt: PersonAttempt,
  { proof, signal }: Pick<ProvenInput, 'proof' | 'signal'>,
  work: (stores: Stores, settle: (now: number) => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const matched = await provePerson(deps, attempt, proof, signal);
  const settled = (stores: Stores) => work(stores, (now) => settleProof(stores, attempt, matched, now));
  return deps.transact(settled).catch((error: unknown) => refuseRace(deps, attempt, error));
}

async function provePerson(
  deps: ProvePersonDeps,
  attempt: PersonAttempt,
  proof: PersonProof,
  signal: AbortSignal | undefined,
): Promise<MatchedFactor | undefined> {
  if (proof.kind !== 'password') return proveCode(deps, attempt, proof);
  await provePassword(deps, attempt, proof.password, signal);
  return undefined;
}

/** A code that is right; it is not used up, and another call may use it first. Errors: MFA_CODE_INVALID, ACCOUNT_LOCKED, STORAGE_UNAVAILABLE. */
export async function proveCode(
  deps: ProvePersonDeps,
  attempt: CodeAttempt,
  factor: TypedFactor,
): Promise<MatchedFactor> {
  await requireUnlockedAttempt(deps, attempt);
  const matched = await matchFactor(deps, attempt.user.id, factor);
  if (matched === 'wrong') return refuseWrongCode(deps, attempt);
  if (matched === 'used') return refuseAttempt(deps, attempt, codeInvalid());
  return matched;
}

async function settleProof(
  stores: SettleStores,
  { user, counter }: PersonAttempt,
  matched: MatchedFactor | undefined,
  now: number,
): Promise<void> {
  const end = await lockedUntil(stores.lockouts, counter, now);
  if (end !== undefined) throw accountLocked(end, now);
  if (matched !== undefined && !(await useFactor(stores.totpFactors, user.id, matched, now)))
    throw codeInvalid();
}

/** Writes down that another call was first, and throws on. */
export async function refuseRace(
  deps: Pick<ProvePersonDeps, 'clock' | 'newId' | 'audit'>,
  attempt: CodeAttempt,
  error: unknown,
): Promise<never> {
  if (error instanceof DomainError && RACES.has(error.reason)) return refuseAttempt(deps, attempt, error);
  throw error;
}
