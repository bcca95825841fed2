// How long a task keeps the event loop from other work.

/**
 * The CPU milliseconds of the main thread in the longest turn of the event loop while `work` ran, garbage collection included. CPU time, because
 * on a shared machine the time on the wall says as much about the others.
 */
export async function longestTurn(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let isOver = false;
  let before = process.threadCpuUsage();
  const look = () => {
    const { user, system } = process.threadCpuUsage(before);
    longest = Math.max(longest, (user + system) / 1_000);
    if (isOver) return;
    before = process.threadCpuUsage();
    setImmediate(look);
  };
  setImmediate(look);
  await work();
  isOver = true;
  return longest;
}
