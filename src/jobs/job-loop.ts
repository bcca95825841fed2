// Runs a job again and again, one run at a time, until it is stopped.

import { setTimeout as delay } from 'node:timers/promises';

export type JobLoopOptions = {
  readonly intervalMs: number;
  /** `stopping` aborts when the loop is to stop, for runs that could go on and on. */
  readonly run: (stopping: AbortSignal) => Promise<void>;
  /** Called for a run that failed; the loop goes on. */
  readonly onFailure: (error: unknown) => void;
};

/** A job under way. */
export type JobLoop = {
  /** Lets the run under way end, and begins no other. */
  stop(): Promise<void>;
};

/** Begins with a pause, then runs `run` every `intervalMs`. */
export function startJobLoop(options: JobLoopOptions): JobLoop {
  const stopping = new AbortController();
  const loop = async () => {
    while (!stopping.signal.aborted) {
      await delay(options.intervalMs, undefined, { signal: stopping.signal, ref: false }).catch(
        () => undefined,
      );
      if (stopping.signal.aborted) return;
      await options.run(stopping.signal).catch(options.onFailure);
    }
  };
  const running = loop();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
