// Holds what takes a node out of rotation and what does not.

import { describe, expect, it } from 'vitest';
import type { ReadinessFacts } from '../../src/domain/health/readiness.ts';
import { readinessOf } from '../../src/domain/health/readiness.ts';

const WELL: ReadinessFacts = {
  isStopping: false,
  isFresh: true,
  isClockRight: true,
  databaseAnswered: true,
  database: 'up',
  redis: 'up',
};

describe('readiness', () => {
  it.each<[string, string, Partial<ReadinessFacts>]>([
    ['ready', 'all is well', {}],
    ['ready', 'there is no Redis to depend on', { redis: 'embedded' }],
    ['degraded', 'the database does not answer while validation holds', { databaseAnswered: false }],
    ['degraded', 'the database is read-only', { database: 'read_only' }],
    ['degraded', 'the disk of the database is full', { database: 'full' }],
    ['degraded', 'all connections are taken', { database: 'busy' }],
    ['degraded', 'Redis is away', { redis: 'down' }],
    ['degraded', 'Redis is read-only', { redis: 'read_only' }],
    ['degraded', 'Redis is full', { redis: 'full' }],
    ['degraded', 'a key of Redis has the wrong type', { redis: 'wrong_type' }],
    ['unavailable', 'the node cannot validate', { isFresh: false }],
    ['unavailable', 'there is no schema', { database: 'no_schema' }],
    [
      'unavailable',
      'there is no schema, so that no read is answered',
      { database: 'no_schema', databaseAnswered: false },
    ],
    ['unavailable', 'the clock is off', { isClockRight: false }],
    ['unavailable', 'the node is stopping', { isStopping: true }],
  ])('is %s when %s', (status, _name, facts) => {
    expect(readinessOf({ ...WELL, ...facts }).status).toBe(status);
  });

  it('names the part and its state, and nothing else', () => {
    expect(
      readinessOf({ ...WELL, databaseAnswered: false, redis: 'read_only', isStopping: true }).checks,
    ).toEqual({
      database: 'down',
      redis: 'read_only',
      revocations: 'fresh',
      clock: 'right',
      node: 'stopping',
    });
  });
});
