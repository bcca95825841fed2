// How a stream lives and ends, whichever side sends it: its caller is admitted, its credential is checked as long as it lives, and its end
// reaches all waiting readers and writers at once.

import type { AccessRule } from './access-table.ts';
import type { Call } from './call.ts';
import type { CredentialWatchDeps } from './credential-watch.ts';
import { CredentialWatch } from './credential-watch.ts';
import { DomainError } from '../../domain/errors.ts';
import type { OpenStreams } from './open-streams.ts';
import type { PipelineDeps } from './pipeline.ts';
import { admit } from './pipeline.ts';

export type StreamPipelineDeps = PipelineDeps & CredentialWatchDeps & { readonly openStreams: OpenStreams };

/** How often the credential of a silent stream is looked at. */
const CHECK_INTERVAL_MS = 1_000;

/** One stream from its first step to its end. No time limit of ours: it ends with its caller, its caller's deadline, its credential, or this node. */
export class StreamLife {
  readonly call: Call;
  readonly #deps: StreamPipelineDeps;
  readonly #rule: AccessRule;
  readonly #onEnd: () => void;
  readonly #waiting = new Set<(error: Error) => void>();
  #credential: CredentialWatch | undefined;
  #ending: Error | undefined;
  #release: () => void = () => undefined;

  /** `onEnd` is called once, when the stream is over. */
  constructor(deps: StreamPipelineDeps, rule: AccessRule, call: Call, onEnd: () => void) {
    this.#deps = deps;
    this.#rule = rule;
    this.call = call;
    this.#onEnd = onEnd;
  }

  /** Admits the caller. Errors: those of `admit`, OVERLOADED, SHUTTING_DOWN, CALL_CANCELLED. */
  async begin(): Promise<void> {
    this.call.transport.onCancelled(() => {
      this.end(new DomainError('CALL_CANCELLED', 'The caller is gone.'));
      // A writer that waits for a reader that has gone would wait forever.
      this.#release();
    });
    await admit(this.#deps, this.#rule, this.call);
    if (this.#ending !== undefined) throw this.#ending;
    const credential = new CredentialWatch(this.#deps, this.#rule, this.call);
    const leave = this.#deps.openStreams.enter((error) => this.end(error));
    const timer = setInterval(() => {
      credential.check().catch((error: unknown) => this.end(error));
    }, CHECK_INTERVAL_MS);
    this.#release = () => {
      clearInterval(timer);
      leave();
    };
    this.#credential = credential;
  }

  /** Looks at the credential again, where something has changed. Errors: those of `CredentialWatch.check`. */
  async confirm(): Promise<void> {
    if (this.#credential?.holds === false) await this.#credential.check();
  }

  /** What `work` comes to, unless the stream ends before it. Errors: those of `work`, and what ended the stream. */
  unlessEnding<Value>(work: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#ending !== undefined) reject(this.#ending);
      // One reaction for each piece of work: a race against one promise would keep them all for as long as the stream lives.
      else this.#waiting.add(reject);
      const remove = () => this.#waiting.delete(reject);
      work.then(resolve, reject).then(remove, remove);
    });
  }

  /** Ends the stream early, also while a reader or writer waits. */
  end(error: unknown): void {
    if (this.#ending !== undefined) return;
    this.#ending = error instanceof Error ? error : new Error(String(error));
    for (const reject of this.#waiting) reject(this.#ending);
    this.#stop(this.#ending);
  }

  /** Notes that there is nothing more to come, and gives its place free. */
  close(): void {
    if (this.#ending === undefined) {
      this.#ending = new DomainError('CALL_CANCELLED', 'The stream has ended.');
      this.#stop(this.#ending);
    }
    this.#release();
  }

  #stop(reason: Error): void {
    this.call.abort(reason);
    this.#onEnd();
  }
}
