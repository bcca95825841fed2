// What callers of a grouped statement may count on.

import { describe, expect, it } from 'vitest';

import { inGroups } from '../../src/storage/postgres/in-groups.ts';

type Held = { readonly inputs: readonly number[]; readonly release: PromiseWithResolvers<void> };

/** A doubler whose groups end when the test says so. */
function heldDoubler(limits: { maxSize: number; maxRunning: number }) {
  const groups: Held[] = [];
  const double = inGroups<number, number>({
    ...limits,
    async runGroup(inputs) {
      const release = Promise.withResolvers<void>();
      groups.push({ inputs, release });
      await release.promise;
      if (inputs.includes(13)) throw new Error('13 is refused');
      return inputs.map((input) => input * 2);
    },
  });
  return { groups, double };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a grouped statement', () => {
  it('takes calls of one turn of the event loop as one group, and answers each its own', async () => {
    const { groups, double } = heldDoubler({ maxSize: 10, maxRunning: 2 });
    const answers = Promise.all([double(1), double(2), double(3)]);
    await turn();
    expect(groups.map(({ inputs }) => inputs)).toEqual([[1, 2, 3]]);
    groups[0]?.release.resolve();
    expect(await answers).toEqual([2, 4, 6]);
  });

  it('lets callers wait while as many groups as allowed are under way, and takes them together then', async () => {
    const { groups, double } = heldDoubler({ maxSize: 3, maxRunning: 1 });
    const answers = Promise.all([1, 2, 3, 4, 5].map((input) => double(input)));
    await turn();
    await turn();
    expect(groups.map(({ inputs }) => inputs)).toEqual([[1, 2, 3]]);
    groups[0]?.release.resolve();
    await turn();
    await turn();
    expect(groups.map(({ inputs }) => inputs)).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    groups[1]?.release.resolve();
    expect(await answers).toEqual([2, 4, 6, 8, 10]);
  });

  it('does not fail the others when one fails', async () => {
    const { groups, double } = heldDoubler({ maxSize: 10, maxRunning: 1 });
    const answers = Promise.allSettled([1, 13, 2].map((input) => double(input)));
    for (let round = 0; round < 5; round += 1) {
      await turn();
      for (const { release } of groups) release.resolve();
    }
    expect(await answers).toEqual([
      { status: 'fulfilled', value: 2 },
      { status: 'rejected', reason: new Error('13 is refused') },
      { status: 'fulfilled', value: 4 },
    ]);
  });
});
