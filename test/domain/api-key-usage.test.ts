// Holds the count of uses: nothing is written by a use, nothing is lost by a failed write.

import { describe, expect, it } from 'vitest';

import type { ApiKeyUse } from '../../src/domain/api-key/api-key.ts';
import { ApiKeyUsage } from '../../src/domain/api-key/api-key-usage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { NOW } from '../support/samples.ts';

function world() {
  const clock = new FakeClock(NOW);
  const written: Array<readonly ApiKeyUse[]> = [];
  let during: () => void = () => undefined;
  const usage = new ApiKeyUsage({
    clock,
    apiKeys: {
      addUses: async (uses) => {
        during();
        written.push(uses);
      },
    },
  });
  return {
    clock,
    written,
    usage,
    meanwhile: (act: () => void) => {
      during = act;
    },
  };
}

describe('the uses of API keys', () => {
  it('are written at once for all keys, and only what is new', async () => {
    const { clock, written, usage } = world();
    await usage.flush();
    expect(written).toEqual([]);
    usage.note('a');
    clock.advance(5);
    usage.note('a');
    usage.note('b');
    await usage.flush();
    await usage.flush();
    expect(written).toEqual([
      [
        { id: 'a', count: 2, lastUsedTime: NOW + 5 },
        { id: 'b', count: 1, lastUsedTime: NOW + 5 },
      ],
    ]);
  });

  it('are kept when they cannot be written, together with those that came since', async () => {
    const { clock, written, usage, meanwhile } = world();
    usage.note('a');
    meanwhile(() => {
      clock.advance(7);
      usage.note('a');
      clock.set(NOW);
      throw new Error('away');
    });
    await expect(usage.flush()).rejects.toThrow('away');
    meanwhile(() => undefined);
    await usage.flush();
    expect(written).toEqual([[{ id: 'a', count: 2, lastUsedTime: NOW + 7 }]]);
  });

  it('are not lost when they are noted during a write that succeeds', async () => {
    const { written, usage, meanwhile } = world();
    usage.note('a');
    meanwhile(() => usage.note('a'));
    await usage.flush();
    meanwhile(() => undefined);
    await usage.flush();
    expect(written.map(([use]) => use?.count)).toEqual([1, 1]);
  });
});
