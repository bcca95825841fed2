// The thread pool of the process: hashes share it with signatures, which must not wait for them.

/** What libuv reads the size of its pool from. */
export const THREADS_VARIABLE = 'UV_THREADPOOL_SIZE';

/** Threads that no hash can occupy: they sign tokens, and check the signatures of tokens that are not cached. */
const SPARE_THREADS = 4;
/** The size of the pool where nothing says otherwise. */
const DEFAULT_THREADS = 4;

/** How many threads the pool should have, for so many hashes at once. */
export function threadsFor(hashingSlots: number): number {
  return hashingSlots + SPARE_THREADS;
}

/** What is wrong with the size of the pool that the environment sets, for so many hashes at once; undefined when nothing is. */
export function threadFault(hashingSlots: number, environment: NodeJS.ProcessEnv): string | undefined {
  const threads = Number(environment[THREADS_VARIABLE] ?? DEFAULT_THREADS);
  if (threads > hashingSlots) return undefined;
  return `${THREADS_VARIABLE} is ${threads}, but up to ${hashingSlots} passwords are hashed at once: a burst of logins holds up every signature. Leave it out, or set it to ${threadsFor(hashingSlots)}`;
}
