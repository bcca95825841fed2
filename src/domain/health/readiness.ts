// Whether a node can serve: what takes it out of rotation, and what only makes it worse than it should be.

/** What the last probe of the database came to. */
export type DatabaseState =
  | 'up'
  /** It does not answer, or not in time. */
  | 'down'
  /** All connections of this node are taken, or all that the server has. */
  | 'busy'
  | 'read_only'
  /** Its disk is. */
  | 'full'
  /** Our role may not read or write what it must. */
  | 'forbidden'
  /** Our tables are not there. */
  | 'no_schema'
  /** It fails in a way that has no name here; the log has the error. */
  | 'failing';

/** What the last publish-and-read round trip over Redis came to. */
export type RedisState =
  | 'up'
  | 'down'
  | 'read_only'
  /** Its memory is, or its disk. */
  | 'full'
  /** A key of ours holds something else. */
  | 'wrong_type'
  | 'forbidden'
  /** It is a node of a Cluster, or a Sentinel, and not the one Redis that is needed. */
  | 'cluster'
  | 'sentinel'
  | 'loading'
  /** What was published did not come back. */
  | 'unheard'
  | 'failing';

/** Whether this node can serve, and what it depends on. Public: names parts and states, no addresses and no messages. */
export type Readiness = {
  readonly status: 'ready' | 'degraded' | 'unavailable';
  readonly checks: Readonly<Record<string, string>>;
};

export type ReadinessFacts = {
  readonly isStopping: boolean;
  /** Whether the revocations are known well enough to validate by. */
  readonly isFresh: boolean;
  readonly isClockRight: boolean;
  /** Whether the last read of revocations was answered. */
  readonly databaseAnswered: boolean;
  readonly database: DatabaseState;
  /** `embedded` where there is none to depend on. */
  readonly redis: RedisState | 'embedded';
};

/**
 * `unavailable` when the node cannot validate, has no schema, has a clock that is not to be trusted, or is stopping: it must get no calls.
 * `degraded` when it validates and something else is wrong. The database and Redis are shared: were their faults a reason to leave, all nodes
 * would leave at once, and no node would validate.
 */
export function readinessOf(facts: ReadinessFacts): Readiness {
  const { isStopping, isFresh, isClockRight, redis } = facts;
  const database = facts.databaseAnswered || facts.database === 'no_schema' ? facts.database : 'down';
  const canServe = !isStopping && isFresh && isClockRight && database !== 'no_schema';
  const isWhole = database === 'up' && (redis === 'up' || redis === 'embedded');
  return {
    status: !canServe ? 'unavailable' : isWhole ? 'ready' : 'degraded',
    checks: {
      database,
      redis,
      revocations: isFresh ? 'fresh' : 'stale',
      clock: isClockRight ? 'right' : 'skewed',
      ...(isStopping ? { node: 'stopping' } : {}),
    },
  };
}
