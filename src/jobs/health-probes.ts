// Probes the database by a write and Redis by a round trip, on a schedule: a request for readiness gets the last result, at no cost.

import type { DatabaseState, RedisState } from '../domain/health/readiness.ts';

/** How often both are probed. */
export const PROBE_INTERVAL_MS = 2_000;
/** A probe without a result for so long has one: the part does not answer. */
const MAX_PROBE_MS = 3_000;

export type HealthProbesDeps = {
  /** Never rejects, but may hang. */
  readonly probeDatabase: () => Promise<DatabaseState>;
  /** As `probeDatabase`; undefined where there is no Redis. */
  readonly probeRedis: (() => Promise<RedisState>) | undefined;
  /** Called when a part's state changes. */
  readonly onChange: (part: 'database' | 'redis', state: DatabaseState | RedisState) => void;
};

/** The last results; `run` brings new ones. */
export class HealthProbes {
  readonly #database: Probe<DatabaseState>;
  readonly #redis: Probe<RedisState> | undefined;

  constructor({ probeDatabase, probeRedis, onChange }: HealthProbesDeps) {
    this.#database = new Probe<DatabaseState>(probeDatabase, 'up', 'busy', (state) =>
      onChange('database', state),
    );
    if (probeRedis !== undefined)
      this.#redis = new Probe<RedisState>(probeRedis, 'up', 'down', (state) => onChange('redis', state));
  }

  get database(): DatabaseState {
    return this.#database.state;
  }

  get redis(): RedisState | 'embedded' {
    return this.#redis?.state ?? 'embedded';
  }

  /** Probes both; resolves within MAX_PROBE_MS. */
  async run(): Promise<void> {
    await Promise.all([this.#database.run(), this.#redis?.run()]);
  }
}

class Probe<State> {
  state: State;
  readonly #probe: () => Promise<State>;
  readonly #late: State;
  readonly #onChange: (state: State) => void;
  #underWay: Promise<State> | undefined;

  constructor(probe: () => Promise<State>, initial: State, late: State, onChange: (state: State) => void) {
    this.#probe = probe;
    this.state = initial;
    this.#late = late;
    this.#onChange = onChange;
  }

  // One that hangs is waited for again, not joined by others.
  async run(): Promise<void> {
    this.#underWay ??= this.#probe().finally(() => {
      this.#underWay = undefined;
    });
    const { promise: timeout, resolve } = Promise.withResolvers<State>();
    const timer = setTimeout(() => resolve(this.#late), MAX_PROBE_MS);
    const state = await Promise.race([this.#underWay, timeout]);
    clearTimeout(timer);
    if (state === this.state) return;
    this.state = state;
    this.#onChange(state);
  }
}
