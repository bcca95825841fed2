// Sends what stands in the outbox, again and again until it is taken or given up.

import type { Clock } from '../domain/clock.ts';
import type { LeasedMail, OutboxQueue, OutgoingMail } from '../domain/mail/outbox.ts';

export type MailSenderDeps = {
  readonly outboxQueue: OutboxQueue;
  readonly send: (mail: OutgoingMail) => Promise<void>;
  readonly clock: Clock;
  readonly onFailure: (mail: LeasedMail, error: unknown, isDead: boolean) => void;
};

/** How long one attempt may take before another sender tries. */
const LEASE_MS = 60_000;
const BATCH = 20;
const FIRST_RETRY_MS = 5_000;
const MAX_RETRY_MS = 30 * 60_000;
/** About a day with the pauses below; then the letter is dead. */
const MAX_ATTEMPTS = 60;

/** Sends the letters that are due. Errors: STORAGE_UNAVAILABLE; a letter that was not sent waits for its next attempt. */
export async function sendDueMail(deps: MailSenderDeps): Promise<void> {
  const now = deps.clock.now();
  const letters = await deps.outboxQueue.lease(now, now + LEASE_MS, BATCH);
  for (const letter of letters) await sendOne(deps, letter);
}

async function sendOne(deps: MailSenderDeps, letter: LeasedMail): Promise<void> {
  try {
    await deps.send(letter);
  } catch (error) {
    const isDead = letter.attempts >= MAX_ATTEMPTS;
    deps.onFailure(letter, error, isDead);
    const nextAttempt = isDead ? undefined : deps.clock.now() + retryPause(letter.attempts);
    await deps.outboxQueue.markFailed(
      letter.id,
      error instanceof Error ? error.message : String(error),
      nextAttempt,
    );
    return;
  }
  await deps.outboxQueue.markSent(letter.id, deps.clock.now());
}

/** Doubles with each attempt, up to half an hour. */
export function retryPause(attempts: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), MAX_RETRY_MS);
}
