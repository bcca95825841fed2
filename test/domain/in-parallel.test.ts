// Work on many things with few at once.

import { expect, it } from 'vitest';
import { inParallel } from '../../src/domain/in-parallel.ts';

const items = Array.from({ length: 100 }, (_, index) => index);

it('answers in order, with no more at once than allowed', async () => {
  let running = 0;
  let most = 0;
  const results = await inParallel(items, 7, async (item) => {
    running += 1;
    most = Math.max(most, running);
    for (let tick = 0; tick <= item % 5; tick += 1) await Promise.resolve();
    running -= 1;
    return item * 2;
  });
  expect(results).toEqual(items.map((item) => item * 2));
  expect(most).toBe(7);
});

it('begins nothing more after a failure', async () => {
  const begun: number[] = [];
  const failing = inParallel(items, 3, async (item) => {
    begun.push(item);
    await Promise.resolve();
    if (item === 4) throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  const { length } = begun;
  expect(length).toBeLessThan(20);
  await Promise.resolve();
  expect(begun).toHaveLength(length);
});

it('makes nothing of nothing', async () => {
  expect(await inParallel([], 3, (item) => item)).toEqual([]);
});
