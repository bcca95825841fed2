// Registers how long the access tokens of this node live, so that whatever any node revokes is kept until the last of them has expired.

import type { TokenPolicy } from './access-token.ts';

/** Port: the lifetimes of access tokens that any node issues, or has issued of tokens that may still be alive. */
export type TokenLifetimeStore = {
  /**
   * Notes, by the database's clock, that tokens may be issued now that expire as late as `lifetimeMs` from now; drops what no token can have
   * any more.
   */
  register(lifetimeMs: number): Promise<void>;
};

export type LifetimeRegistrarDeps = {
  readonly tokenLifetimes: TokenLifetimeStore;
  readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'>;
  /** How far this node's clock is ahead of the database's, in milliseconds; 0 or less when it is not. */
  readonly aheadMs: () => number;
  /** Monotonic milliseconds. */
  readonly stopwatch: () => number;
};

/** How often a node registers anew. The store believes it for an hour longer than the tokens live. */
const INTERVAL_MS = 60_000;
/** The margin of a revocation covers less; more is registered in steps, so that rows stay few. */
const STEP_MS = 60_000;

/** One node's registration: `keep` before the first token is issued, and then about once a second. */
export class LifetimeRegistrar {
  readonly #deps: LifetimeRegistrarDeps;
  #registered: { readonly lifetimeMs: number; readonly at: number } | undefined;

  constructor(deps: LifetimeRegistrarDeps) {
    this.#deps = deps;
  }

  /** Registers when it is time, or the clock has moved ahead. Errors: STORAGE_UNAVAILABLE; the next call tries again. */
  async keep(): Promise<void> {
    const at = this.#deps.stopwatch();
    const lifetimeMs = this.#lifetimeMs();
    const last = this.#registered;
    if (last !== undefined && lifetimeMs <= last.lifetimeMs && at - last.at < INTERVAL_MS) return;
    await this.#deps.tokenLifetimes.register(lifetimeMs);
    this.#registered = { lifetimeMs, at };
  }

  // By the database's clock the tokens of a node whose own is ahead live longer by as much.
  #lifetimeMs(): number {
    const aheadMs = this.#deps.aheadMs();
    const extraMs = aheadMs < STEP_MS ? 0 : Math.ceil(aheadMs / STEP_MS) * STEP_MS;
    return this.#deps.tokenPolicy.accessTokenTtlMs + extraMs;
  }
}
