// Waits for a condition by asking again until a deadline, in place of sleeps of a guessed length.
import { setTimeout as delay } from 'node:timers/promises';

/** How long and how often to ask, and what to say on failure. */
export interface EventuallyOptions {
  /** Give up after this long; 10 s by default. */
  readonly timeoutMs?: number;
  /** Pause between two tries; 20 ms by default. */
  readonly intervalMs?: number;
  /** What was awaited, for the failure's message. */
  readonly message?: string | (() => string);
}

/**
 * Resolves with the first value that is neither `false`, `null` nor `undefined`. A try that throws counts as "not yet"; its error
 * becomes the cause when the deadline passes.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const { timeoutMs = 10_000, intervalMs = 20, message } = options;
  const deadline = performance.now() + timeoutMs;
  let last: string;
  let cause: unknown;
  for (let tries = 1; ; tries += 1) {
    try {
      const value = await condition();
      if (isMet(value)) return value;
      last = `the last value was ${String(value)}`;
      cause = undefined;
    } catch (error) {
      last = `the last error was: ${error instanceof Error ? error.message : String(error)}`;
      cause = error;
    }
    if (performance.now() >= deadline) {
      const what = typeof message === 'function' ? message() : (message ?? 'condition not met');
      throw new Error(`${what} (after ${timeoutMs} ms and ${tries} tries; ${last})`, { cause });
    }
    await delay(intervalMs);
  }
}

/** Resolves once `assertion` no longer throws: `await eventuallyPasses(() => expect(seen).toContain(id))`. */
export async function eventuallyPasses(
  assertion: () => void | Promise<void>,
  options: EventuallyOptions = {},
): Promise<void> {
  await eventually(async () => {
    await assertion();
    return true;
  }, options);
}

function isMet<T>(value: T): value is Exclude<T, false | null | undefined> {
  return value !== false && value !== null && value !== undefined;
}
