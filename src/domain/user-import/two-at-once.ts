// Takes batches two at once: while the database writes one, the next is read and checked.

import type { ImportedUser } from './imported-user.ts';

type UnderWay<Result> = { readonly names: Names; readonly taken: Promise<Result> };

const AT_ONCE = 2;

/**
 * Takes the batches and yields what became of them, in their order. Two are under way at once, but never two that contain the same person: of
 * those the first counts. Errors: those of `batches`, when all before has been yielded; those of `take`, when what was under way has ended.
 */
export async function* twoAtOnce<Batch, Result>(
  batches: AsyncIterable<Batch>,
  usersOf: (batch: Batch) => readonly ImportedUser[],
  take: (batch: Batch) => Promise<Result>,
): AsyncGenerator<Result> {
  const source = batches[Symbol.asyncIterator]();
  const underWay: Array<UnderWay<Result>> = [];
  const first = async () => {
    try {
      return await underWay[0]?.taken;
    } catch (error) {
      await Promise.allSettled(underWay.map(({ taken }) => taken));
      throw error;
    } finally {
      underWay.shift();
    }
  };
  const next = () =>
    source.next().then(
      (step) => ({ step }),
      (error: unknown) => ({ error }),
    );

  let read = await next();
  for (; 'step' in read && read.step.done !== true; read = await next()) {
    const batch = read.step.value;
    const names = new Names(usersOf(batch));
    while (underWay.length >= AT_ONCE || underWay.some((other) => other.names.holdAnyOf(usersOf(batch)))) {
      const result = await first();
      if (result !== undefined) yield result;
    }
    const taken = take(batch);
    // Waited for in its turn.
    taken.catch(() => undefined);
    underWay.push({ names, taken });
  }
  while (underWay.length > 0) {
    const result = await first();
    if (result !== undefined) yield result;
  }
  if ('error' in read) throw read.error;
}

/** By what the people of a batch are known. Roughly as the store has it: what slips through is still taken once. */
class Names {
  readonly #externalIds = new Set<string>();
  readonly #emails = new Set<string>();
  readonly #usernames = new Set<string>();

  constructor(users: readonly ImportedUser[]) {
    for (const { externalId, email, username } of users) {
      this.#externalIds.add(externalId);
      this.#emails.add(email.toLowerCase());
      if (username !== '') this.#usernames.add(username.toLowerCase());
    }
  }

  holdAnyOf(users: readonly ImportedUser[]): boolean {
    return users.some(
      ({ externalId, email, username }) =>
        this.#externalIds.has(externalId) ||
        this.#emails.has(email.toLowerCase()) ||
        this.#usernames.has(username.toLowerCase()),
    );
  }
}
