// Holds the bounds of requests that have not arrived whole: time, number and bytes, with the oldest given up first.

import { afterEach, describe, expect, it } from 'vitest';
import { UnfinishedRequests, type UnfinishedLimits } from '../../src/edge/transport/unfinished-requests.ts';

const LIMITS = { maxRequests: 10, maxBytes: 100_000, maxBytesPerConnection: 50_000, timeoutMs: 1_000 };

const open: UnfinishedRequests[] = [];
afterEach(() => {
  for (const requests of open.splice(0)) requests.close();
});

function world(limits: Partial<UnfinishedLimits> = {}) {
  let now = 0;
  const requests = new UnfinishedRequests({ ...LIMITS, ...limits }, () => now);
  open.push(requests);
  const givenUp: string[] = [];
  return {
    requests,
    givenUp,
    begin: (name: string, connection: object) =>
      requests.begin(connection, (reason) => givenUp.push(`${name} ${reason}`)),
    pass(ms: number) {
      now += ms;
      requests.sweep();
    },
  };
}

describe('unfinished requests', () => {
  it('are given up after the timeout, and not before', () => {
    const { begin, pass, givenUp } = world();
    begin('a', {});
    pass(600);
    begin('b', {});
    pass(400);
    expect(givenUp).toEqual(['a late']);
    pass(600);
    expect(givenUp).toEqual(['a late', 'b late']);
  });

  it('are left alone once they have arrived', () => {
    const { begin, pass, givenUp, requests } = world();
    const request = begin('a', {});
    request.finish();
    request.finish();
    pass(5_000);
    expect(givenUp).toEqual([]);
    expect(requests.load).toEqual({ requests: 0, bytes: 0 });
  });

  it('are as many as may be, the oldest going first', () => {
    const { begin, givenUp, requests } = world({ maxRequests: 2 });
    for (const name of ['a', 'b', 'c']) begin(name, {});
    expect(givenUp).toEqual(['a crowded']);
    expect(requests.load.requests).toBe(2);
  });

  it('cost a connection its own when it holds more than its share', () => {
    const { begin, givenUp } = world();
    const [greedy, modest] = [{}, {}];
    begin('modest', modest);
    begin('first', greedy).hold(30_000);
    begin('second', greedy).hold(30_000);
    expect(givenUp).toEqual(['first crowded']);
  });

  it('hold no more than they may all together', () => {
    const { begin, givenUp, requests } = world();
    for (const name of ['a', 'b', 'c']) begin(name, {}).hold(30_000);
    expect(givenUp).toEqual(['a crowded']);
    expect(requests.load.bytes).toBeLessThanOrEqual(LIMITS.maxBytes);
  });

  it('give up a request that is too much alone', () => {
    const { begin, givenUp, requests } = world();
    begin('a', {}).hold(60_000);
    expect(givenUp).toEqual(['a crowded']);
    expect(requests.load).toEqual({ requests: 0, bytes: 0 });
  });
});
