// Works on many things with few at once.

import type { MaybePromise } from './maybe-promise.ts';

/**
 * What `work` makes of each item, in their order, with at most `atOnce` under way. Errors: the first of `work`; nothing new is begun then, and
 * what is under way goes on unheeded.
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => MaybePromise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  let hasFailed = false;
  const worker = async () => {
    for (const [index, item] of queue) {
      if (hasFailed) return;
      results[index] = await work(item);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  } finally {
    hasFailed = true;
  }
  return results;
}
