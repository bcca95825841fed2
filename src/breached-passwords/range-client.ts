// Asks a list of breached passwords by range (the Have I Been Pwned API, k-anonymity): five hexadecimal digits leave the process.

import { createHash } from 'node:crypto';
import type { BreachedPasswords } from '../domain/password/breached-passwords.ts';
import type { Clock } from '../domain/clock.ts';
import { readText } from './bounded-body.ts';

export type RangeClientOptions = {
  /** The prefix is put behind it; ends in a slash. */
  readonly url: string;
  readonly clock: Clock;
  /** Called with the reason why the list could not be asked, once in WARN_EVERY_MS at most. Contains neither password nor prefix. */
  readonly onFailure: (reason: string) => void;
  /** For the whole exchange, body included. */
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 1_000;
/** After a failure the list is not asked for so long: a machine without network loses a second now and then, not at each password. */
export const SKIP_MS = 30_000;
export const WARN_EVERY_MS = 60_000;
const PREFIX_LENGTH = 5;
// A range has about 1,000 lines of 40 bytes.
const MAX_BODY_BYTES = 524_288;
// The rest of a SHA-1 in hexadecimal, and how often it was seen; 0 in lines that are there as padding.
const LINE = /^(?<suffix>[0-9A-Fa-f]{35}):(?<count>\d{1,15})$/;

/** The client of one list. Every failure counts as "not known", is reported, and keeps the next callers from waiting. */
export class RangeClient implements BreachedPasswords {
  readonly #options: RangeClientOptions;
  #failedAt = -Infinity;
  #warnedAt = -Infinity;

  constructor(options: RangeClientOptions) {
    this.#options = options;
  }

  async has(password: string): Promise<boolean> {
    if (isWithin(this.#failedAt, SKIP_MS, this.#options.clock.now())) return false;
    const digest = createHash('sha1').update(password, 'utf8').digest('hex').toUpperCase();
    try {
      const range = await this.#fetch(digest.slice(0, PREFIX_LENGTH));
      return holds(range, digest.slice(PREFIX_LENGTH));
    } catch (error) {
      this.#noteFailure(reasonOf(error));
      return false;
    }
  }

  async #fetch(prefix: string): Promise<string> {
    const response = await fetch(this.#options.url + prefix, {
      headers: { 'Add-Padding': 'true', 'User-Agent': 'latchkey', Accept: 'text/plain' },
      // Redirects are not followed: where the list is, only the configuration says.
      redirect: 'error',
      signal: AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS),
    });
    if (response.status === 200) return readText(response, MAX_BODY_BYTES);
    await response.body?.cancel();
    throw new Error(`it answered ${response.status}`);
  }

  #noteFailure(reason: string): void {
    const now = this.#options.clock.now();
    this.#failedAt = now;
    if (isWithin(this.#warnedAt, WARN_EVERY_MS, now)) return;
    this.#warnedAt = now;
    this.#options.onFailure(reason);
  }
}

// A time that lies ahead was noted before the clock was set back, and is worth nothing.
function isWithin(since: number, spanMs: number, now: number): boolean {
  return now >= since && now - since < spanMs;
}

/** Errors: Error when a line is none of a range. */
function holds(range: string, suffix: string): boolean {
  const lines = range.split(/\r?\n/).filter((line) => line !== '');
  let isHeld = false;
  for (const line of lines) {
    const { suffix: found = '', count = '' } = LINE.exec(line)?.groups ?? {};
    if (found === '') throw new Error('it answered something other than a range');
    if (found.toUpperCase() === suffix && Number(count) > 0) isHeld = true;
  }
  return isHeld;
}

// fetch says no more than "fetch failed"; why is in the cause.
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  return code === '' ? cause.message : code;
}
