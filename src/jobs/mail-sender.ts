// Sends what stands in the outbox, again and again until it is taken or given up.

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../domain/clock.ts';
import type { BusyRecipients, LeasedMail, OutboxQueue } from '../domain/mail/outbox.ts';
import { mailDomain } from '../domain/mail/outbox.ts';
import type { ReadyMail, SendMail } from '../domain/mail/ready-mail.ts';
import { MailRefusedError } from '../domain/mail/ready-mail.ts';

export type MailSenderDeps = {
  readonly outboxQueue: OutboxQueue;
  /** Undefined for an email that it dropped. */
  readonly prepare: (mail: LeasedMail) => Promise<ReadyMail | undefined>;
  readonly send: SendMail;
  readonly clock: Clock;
  readonly onFailure: (mail: LeasedMail, error: unknown, isDead: boolean) => void;
};

/** When sending ends before its work does. */
export type MailEnd = {
  /** Takes no more emails; those under way go on. */
  readonly stopping?: AbortSignal;
  /** Cuts those under way: they wait for their next attempt. */
  readonly cut?: AbortSignal;
};

/** How many emails are under way at once on one node. */
export const LANES = 8;
/** How many of them for one domain: a slow mail server of theirs delays no other domain. */
export const DOMAIN_LANES = 4;
/** How often it looks for what has become due while slow emails are under way. */
const POLL_MS = 1_000;
/** How long a lease is: longer than one attempt may take, so that no two senders are at the same email. */
const LEASE_MS = 90_000;
/** How long handing over may take, however slowly the server answers. */
const SEND_MS = 45_000;
const FIRST_RETRY_MS = 5_000;
const MAX_RETRY_MS = 30 * 60_000;
/** About a day with the pauses below; then the email is given up. */
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
   * Sends all that is due. One email to a mailbox is under way at a time, and so many to a domain: a slow recipient delays only its own. An email
   * that was not sent waits for its next attempt; one is sent twice only when the mail server's answer,
   * or this process, was lost between sending and noting it. Errors: STORAGE_UNAVAILABLE.
   */
  async run({ stopping, cut }: MailEnd = {}): Promise<void> {
    for (const id of this.#unnoted) await this.#noteSent(id);
    const underWay = new Map<string, UnderWay>();
    try {
      while (!isAborted(stopping)) {
        const left = await this.#fillLanes(underWay, stopping, cut);
        if (left === 'nothing') return;
        if (underWay.size > 0) await nextEnding(underWay, left === 'lanes', stopping);
      }
    } finally {
      await Promise.allSettled([...underWay.values()].map(({ ending }) => ending));
    }
    for (const { ending } of underWay.values()) await ending;
  }

  /**
   * Begins what is due, as far as there are lanes. What is left: `emails`, perhaps, when it used all lanes; `lanes` when what is due has to wait for emails under way,
   * though they may have ended by now; `nothing` when none was under way, and none is due.
   */
  async #fillLanes(
    underWay: Map<string, UnderWay>,
    stopping: AbortSignal | undefined,
    cut: AbortSignal | undefined,
  ): Promise<'emails' | 'lanes' | 'nothing'> {
    while (underWay.size < LANES && !isAborted(stopping)) {
      const now = this.#deps.clock.now();
      const leaseEnd = now + LEASE_MS;
      const isIdle = underWay.size === 0;
      const [mail] = await this.#deps.outboxQueue.lease(now, leaseEnd, 1, busyOf(underWay));
      if (mail === undefined) return isIdle ? 'nothing' : 'lanes';
      const ending = this.#handle(mail, leaseEnd, cut);
      underWay.set(mail.id, { to: mail.to, ending });
      // What fails stays for `nextEnding` to find.
      ending.then(
        () => underWay.delete(mail.id),
        () => undefined,
      );
    }
    return 'emails';
  }

  async #handle(mail: LeasedMail, leaseEnd: number, cut: AbortSignal | undefined): Promise<void> {
    if (this.#unnoted.has(mail.id)) return this.#noteSent(mail.id);
    try {
      const ready = await this.#deps.prepare(mail);
      if (ready === undefined) return;
      if (this.#deps.clock.now() + SEND_MS >= leaseEnd) throw new Error('the email was prepared too late');
      const timeout = AbortSignal.timeout(SEND_MS);
      await this.#deps.send(ready, cut === undefined ? timeout : AbortSignal.any([timeout, cut]));
    } catch (error) {
      return this.#noteFailure(mail, error);
    }
    this.#unnoted.add(mail.id);
    return this.#noteSent(mail.id);
  }

  async #noteSent(id: string): Promise<void> {
    await this.#deps.outboxQueue.markSent(id, this.#deps.clock.now());
    this.#unnoted.delete(id);
  }

  async #noteFailure(mail: LeasedMail, error: unknown): Promise<void> {
    const isDead = error instanceof MailRefusedError || mail.attempts >= MAX_ATTEMPTS;
    this.#deps.onFailure(mail, error, isDead);
    const nextAttempt = isDead ? undefined : this.#deps.clock.now() + retryPause(mail.attempts);
    const message = error instanceof Error ? error.message : String(error);
    await this.#deps.outboxQueue.markFailed(mail, message, nextAttempt);
  }
}

/** An email that is being sent. */
type UnderWay = { readonly to: string; readonly ending: Promise<void> };

function busyOf(underWay: ReadonlyMap<string, UnderWay>): BusyRecipients {
  const mailboxes = [...underWay.values()].map(({ to }) => to);
  const counts = new Map<string, number>();
  for (const domain of mailboxes.map(mailDomain)) counts.set(domain, (counts.get(domain) ?? 0) + 1);
  const domains = [...counts].filter(([, count]) => count >= DOMAIN_LANES).map(([domain]) => domain);
  return { mailboxes, domains };
}

/** Waits until one has ended, or, with lanes free, for POLL_MS at most. Errors: what the sending of one failed with. */
async function nextEnding(
  underWay: ReadonlyMap<string, UnderWay>,
  hasFreeLane: boolean,
  stopping: AbortSignal | undefined,
): Promise<void> {
  const waiting = new AbortController();
  const signal = stopping === undefined ? waiting.signal : AbortSignal.any([waiting.signal, stopping]);
  const pause = delay(POLL_MS, undefined, { signal }).catch(() => undefined);
  try {
    const endings = [...underWay.values()].map(({ ending }) => ending);
    await Promise.race(hasFreeLane ? [...endings, pause] : endings);
  } finally {
    waiting.abort();
  }
}

/** Doubles with each attempt, up to half an hour. */
export function retryPause(attempts: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), MAX_RETRY_MS);
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
