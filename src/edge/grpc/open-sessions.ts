// The HTTP/2 connections of a port: those without calls are ended after a while, and all get a GOAWAY when the port closes.

import type { Http2Session, ServerHttp2Stream } from 'node:http2';

type Use = { calls: number; idleSince: number };

const SWEEPS_PER_IDLE_TIME = 4;
const MAX_SWEEP_INTERVAL_MS = 60_000;

/** Every open connection and how it is used. */
export class OpenSessions {
  readonly #maxIdleMs: number;
  readonly #now: () => number;
  readonly #uses = new Map<Http2Session, Use>();
  readonly #sweeper: NodeJS.Timeout;

  /** `now` in milliseconds, never going back. */
  constructor(maxIdleMs: number, now: () => number = () => performance.now()) {
    this.#maxIdleMs = maxIdleMs;
    this.#now = now;
    const interval = Math.min(MAX_SWEEP_INTERVAL_MS, maxIdleMs / SWEEPS_PER_IDLE_TIME);
    this.#sweeper = setInterval(() => this.sweep(), interval).unref();
  }

  /** Notes a new connection. */
  enter(session: Http2Session): void {
    this.#uses.set(session, { calls: 0, idleSince: this.#now() });
    session.once('close', () => this.#uses.delete(session));
  }

  /** Notes a call. */
  note(stream: ServerHttp2Stream): void {
    const use = stream.session === undefined ? undefined : this.#uses.get(stream.session);
    if (use === undefined) return;
    use.calls += 1;
    stream.once('close', () => {
      use.calls -= 1;
      use.idleSince = this.#now();
    });
  }

  /** Ends the connections that have been without calls for too long. */
  sweep(): void {
    const horizon = this.#now() - this.#maxIdleMs;
    for (const [session, { calls, idleSince }] of this.#uses)
      if (calls === 0 && idleSince <= horizon) session.close();
  }

  /** Sends GOAWAY on every connection: no new calls, those under way go on. */
  close(): void {
    clearInterval(this.#sweeper);
    for (const session of this.#uses.keys()) session.close();
  }
}
