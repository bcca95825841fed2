// Sends what stands in the outbox, again and again until it is taken or given up.

import type { Clock } from '../domain/clock.ts';
import type { LeasedMail, OutboxQueue } from '../domain/mail/outbox.ts';
import type { ReadyMail, SendMail } from '../domain/mail/ready-mail.ts';
import { MailRefusedError } from '../domain/mail/ready-mail.ts';

export type MailSenderDeps = {
  readonly outboxQueue: OutboxQueue;
  /** Undefined for a letter that it dropped. */
  readonly prepare: (mail: LeasedMail) => Promise<ReadyMail | undefined>;
  readonly send: SendMail;
  readonly clock: Clock;
  readonly onFailure: (mail: LeasedMail, error: unknown, isDead: boolean) => void;
};

/** When sending ends before its work does. */
export type MailEnd = {
  /** Takes no more letters; those under way go on. */
  readonly stopping?: AbortSignal;
  /** Cuts those under way: they wait for their next attempt. */
  readonly cut?: AbortSignal;
};

/** How many letters are under way at once: one slow mailbox holds up few others. */
export const LANES = 4;
/** How long a lease is: longer than one attempt may take, so that no two senders are at the same letter. */
const LEASE_MS = 90_000;
/** How long handing over may take, however slowly the server answers. */
const SEND_MS = 45_000;
const FIRST_RETRY_MS = 5_000;
const MAX_RETRY_MS = 30 * 60_000;
/** About a day with the pauses below; then the letter is dead. */
const MAX_ATTEMPTS = 60;

/** The sender of one node; any number of nodes may run one over the same outbox. */
export class MailSender {
  readonly #deps: MailSenderDeps;
  /** Sent, but the database was away when that was to be noted: to be noted, never to be sent again. */
  readonly #unnoted = new Set<string>();

  constructor(deps: MailSenderDeps) {
    this.#deps = deps;
  }

  /**
   * Sends all that is due. A letter that was not sent waits for its next attempt; a letter is sent twice only when the mail server's answer,
   * or this process, was lost between sending and noting it. Errors: STORAGE_UNAVAILABLE.
   */
  async run({ stopping, cut }: MailEnd = {}): Promise<void> {
    const isStopping = () => stopping?.aborted === true;
    for (const id of this.#unnoted) await this.#noteSent(id);
    while (!isStopping()) {
      const now = this.#deps.clock.now();
      const letters = await this.#deps.outboxQueue.lease(now, now + LEASE_MS, LANES);
      if (letters.length === 0) return;
      const endings = await Promise.allSettled(
        letters.map((letter) => this.#handle(letter, now + LEASE_MS, cut)),
      );
      const failed = endings.find((ending) => ending.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
  }

  async #handle(letter: LeasedMail, leaseEnd: number, cut: AbortSignal | undefined): Promise<void> {
    if (this.#unnoted.has(letter.id)) return this.#noteSent(letter.id);
    try {
      const ready = await this.#deps.prepare(letter);
      if (ready === undefined) return;
      if (this.#deps.clock.now() + SEND_MS >= leaseEnd) throw new Error('the letter was prepared too late');
      const timeout = AbortSignal.timeout(SEND_MS);
      await this.#deps.send(ready, cut === undefined ? timeout : AbortSignal.any([timeout, cut]));
    } catch (error) {
      return this.#noteFailure(letter, error);
    }
    this.#unnoted.add(letter.id);
    return this.#noteSent(letter.id);
  }

  async #noteSent(id: string): Promise<void> {
    await this.#deps.outboxQueue.markSent(id, this.#deps.clock.now());
    this.#unnoted.delete(id);
  }

  async #noteFailure(letter: LeasedMail, error: unknown): Promise<void> {
    const isDead = error instanceof MailRefusedError || letter.attempts >= MAX_ATTEMPTS;
    this.#deps.onFailure(letter, error, isDead);
    const nextAttempt = isDead ? undefined : this.#deps.clock.now() + retryPause(letter.attempts);
    const message = error instanceof Error ? error.message : String(error);
    await this.#deps.outboxQueue.markFailed(letter, message, nextAttempt);
  }
}

/** Doubles with each attempt, up to half an hour. */
export function retryPause(attempts: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), MAX_RETRY_MS);
}
