// Batches of an import, two at once: in order, never the same person twice at once, and what a fault in the middle leaves.

import { expect, it } from 'vitest';
import type { ImportedUser } from '../../src/domain/user-import/imported-user.ts';
import { twoAtOnce } from '../../src/domain/user-import/two-at-once.ts';

const user = (externalId: string, username = ''): ImportedUser => ({
  externalId,
  email: `${externalId}@example.com`,
  emailVerified: false,
  username,
  fullName: '',
  role: '',
  suspended: false,
  passwordHash: '',
  createTime: undefined,
  lastLoginTime: undefined,
});

/** Batches that are taken when the test says so. */
function setUp(batches: ReadonlyArray<readonly ImportedUser[]>, fault?: Error) {
  const begun: string[] = [];
  const takes = new Map<string, PromiseWithResolvers<string>>();
  const nameOf = (batch: readonly ImportedUser[]) => batch.map(({ externalId }) => externalId).join(' ');
  async function* source() {
    yield* batches;
    if (fault !== undefined) throw fault;
  }
  const results = twoAtOnce(
    source(),
    (batch) => batch,
    (batch) => {
      const take = Promise.withResolvers<string>();
      begun.push(nameOf(batch));
      takes.set(nameOf(batch), take);
      return take.promise;
    },
  );
  return { begun, results, end: (name: string) => takes.get(name)?.resolve(name), takes };
}

const turns = () => new Promise((resolve) => setImmediate(resolve));

it('takes two at once and yields them in order', async () => {
  const { begun, results, end } = setUp([[user('a')], [user('b')], [user('c')]]);
  const first = results.next();
  await turns();
  expect(begun).toEqual(['a', 'b']);
  end('b');
  await turns();
  expect(begun).toEqual(['a', 'b']);
  end('a');
  expect((await first).value).toBe('a');
  expect((await results.next()).value).toBe('b');
  const third = results.next();
  await turns();
  end('c');
  expect((await third).value).toBe('c');
  expect((await results.next()).done).toBe(true);
});

it.each<[string, ImportedUser, ImportedUser]>([
  ['external id', user('a'), { ...user('b'), externalId: 'a' }],
  ['address', user('a'), { ...user('b'), email: 'A@Example.com' }],
  ['user name', user('a', 'ada'), user('b', 'ADA')],
])('waits for one before with the same %s', async (_what, one, other) => {
  const { begun, results, end } = setUp([[one], [other]]);
  const first = results.next();
  await turns();
  expect(begun).toHaveLength(1);
  end(begun[0]!);
  await first;
  void results.next();
  await turns();
  expect(begun).toHaveLength(2);
});

it('yields what was taken before its source failed, and then the fault', async () => {
  const fault = new Error('cut');
  const { results, end } = setUp([[user('a')], [user('b')]], fault);
  const first = results.next();
  await turns();
  end('a');
  end('b');
  expect((await first).value).toBe('a');
  expect((await results.next()).value).toBe('b');
  await expect(results.next()).rejects.toBe(fault);
});

it('yields nothing behind one that failed, and waits for what is under way', async () => {
  const { results, end, takes } = setUp([[user('a')], [user('b')], [user('c')]]);
  const first = results.next();
  let hasEnded = false;
  const ended = first.catch((error: unknown) => {
    hasEnded = true;
    return error;
  });
  await turns();
  const fault = new Error('no database');
  takes.get('a')?.reject(fault);
  await turns();
  expect(hasEnded).toBe(false);
  end('b');
  expect(await ended).toBe(fault);
  expect((await results.next()).done).toBe(true);
});
