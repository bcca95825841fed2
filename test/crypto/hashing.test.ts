// Holds password hashing: its queue is bounded and fair, and an unknown account costs a hash like any other.

import { describe, expect, it } from 'vitest';

import { argon2Hasher } from '../../src/crypto/hashing/argon2-hasher.ts';
import { HashingQueue } from '../../src/crypto/hashing/hashing-queue.ts';
import { newPassword } from '../../src/crypto/ids.ts';
import { anyNumber, containing } from '../support/matchers.ts';

/** Tasks that end on demand. */
function heldTasks() {
  const started: number[] = [];
  const ends = new Map<number, PromiseWithResolvers<number>>();
  const task = (id: number) => () => {
    started.push(id);
    const end = Promise.withResolvers<number>();
    ends.set(id, end);
    return end.promise;
  };
  const finish = (id: number) => ends.get(id)?.resolve(id);
  const fail = (id: number) => ends.get(id)?.reject(new Error(`task ${id} failed`));
  return { started, task, finish, fail };
}

const overloaded = containing({ reason: 'OVERLOADED', retryAfterMs: anyNumber });

describe('the queue', () => {
  it('runs so many at once, keeps so many waiting in order, and refuses the rest before they start', async () => {
    const { started, task, finish } = heldTasks();
    const queue = new HashingQueue({ slots: 2, maxWaiting: 3 });
    const runs = [1, 2, 3, 4, 5].map((id) => queue.run(task(id)));
    await expect(queue.run(task(6))).rejects.toEqual(overloaded);
    expect(started).toEqual([1, 2]);
    finish(2);
    expect(await runs[1]).toBe(2);
    await expect.poll(() => started).toEqual([1, 2, 3]);
    finish(1);
    await expect.poll(() => started).toEqual([1, 2, 3, 4]);
    finish(3);
    await expect.poll(() => started).toEqual([1, 2, 3, 4, 5]);
    finish(4);
    finish(5);
    expect(await Promise.all(runs)).toEqual([1, 2, 3, 4, 5]);
  });

  it('frees the slot when a task fails, and only its caller gets the error', async () => {
    const { started, task, finish, fail } = heldTasks();
    const queue = new HashingQueue({ slots: 1, maxWaiting: 1 });
    const first = queue.run(task(1));
    const second = queue.run(task(2));
    await expect(queue.run(task(3))).rejects.toEqual(overloaded);
    fail(1);
    await expect(first).rejects.toThrow('task 1 failed');
    await expect.poll(() => started).toEqual([1, 2]);
    finish(2);
    expect(await second).toBe(2);
    const throwing = queue.run(() => {
      throw new Error('before any promise');
    });
    await expect(throwing).rejects.toThrow('before any promise');
    const last = queue.run(task(4));
    await expect.poll(() => started).toEqual([1, 2, 4]);
    finish(4);
    expect(await last).toBe(4);
  });

  it('never runs more than its slots under a flood, and does all that it took', async () => {
    const queue = new HashingQueue({ slots: 4, maxWaiting: 100 });
    let running = 0;
    let most = 0;
    const runs = Array.from({ length: 1_000 }, () =>
      queue.run(async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      }),
    );
    const results = await Promise.allSettled(runs);
    expect(most).toBe(4);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(104);
  });

  it('admits as much work as its queue takes, and refuses the rest before it begins', async () => {
    const { started, task, finish, fail } = heldTasks();
    const queue = new HashingQueue({ slots: 1, maxWaiting: 2 });
    const works = [1, 2, 3].map((id) => queue.admit(task(id)));
    await expect(queue.admit(task(4))).rejects.toEqual(overloaded);
    expect(started).toEqual([1, 2, 3]);
    fail(2);
    await expect(works[1]).rejects.toThrow('task 2 failed');
    const next = queue.admit(task(5));
    await expect(queue.admit(task(6))).rejects.toEqual(overloaded);
    for (const id of [1, 3, 5]) finish(id);
    expect(await Promise.all([works[0], works[2], next])).toEqual([1, 3, 5]);
    expect(started).toEqual([1, 2, 3, 5]);
  });

  it('without a waiting line refuses the first that finds no slot', async () => {
    const { started, task, finish } = heldTasks();
    const queue = new HashingQueue({ slots: 1, maxWaiting: 0 });
    const only = queue.run(task(1));
    await expect(queue.run(task(2))).rejects.toEqual(overloaded);
    await expect.poll(() => started).toEqual([1]);
    finish(1);
    await only;
  });
});

describe('argon2id', () => {
  const tiny = { memoryCost: 64, timeCost: 2, parallelism: 1, slots: 2, maxWaiting: 2 };

  it('verifies the password that was hashed and no other', async () => {
    const hasher = await argon2Hasher(tiny);
    const password = 'Grüße, 世界 🔑';
    const hash = await hasher.hash(password);
    const parameters = /^\$argon2id\$v=19\$([^$]+)\$/.exec(hash)?.[1]?.split(',').toSorted();
    expect(parameters).toEqual(['m=64', 'p=1', 't=2']);
    expect(hash).not.toBe(await hasher.hash(password));
    expect(await hasher.verify(hash, password)).toBe(true);
    for (const other of ['', 'Grüße, 世界', `${password} `]) {
      expect(await hasher.verify(hash, other)).toBe(false);
    }
    // Our hashes are of the NFC, whatever a keyboard sends.
    expect(await hasher.verify(hash, password.normalize('NFD'))).toBe(true);
  });

  it('takes no password for an account that is not there, not even that of the stand-in', async () => {
    const hasher = await argon2Hasher(tiny);
    expect(await hasher.verify(undefined, 'no account has this password')).toBe(false);
    expect(await hasher.verify(undefined, '')).toBe(false);
  });

  it('asks for a new hash when the parameters or the algorithm are behind', async () => {
    const hash = await (await argon2Hasher(tiny)).hash('password');
    expect((await argon2Hasher(tiny)).needsRehash(hash)).toBe(false);
    for (const change of [{ memoryCost: 128 }, { timeCost: 3 }, { parallelism: 2 }]) {
      const other = await argon2Hasher({ ...tiny, ...change });
      expect(other.needsRehash(hash)).toBe(true);
      expect(await other.verify(hash, 'password')).toBe(true);
    }
    const hasher = await argon2Hasher(tiny);
    expect(hasher.needsRehash(hash.replace('argon2id', 'argon2i'))).toBe(true);
    expect(hasher.needsRehash('$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW')).toBe(true);
  });

  it('refuses a flood before it computes', async () => {
    const hasher = await argon2Hasher(tiny);
    const verdicts = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => hasher.verify(undefined, `guess ${index}`)),
    );
    const refused = verdicts.filter((verdict) => verdict.status === 'rejected');
    expect(refused).toHaveLength(16);
    for (const verdict of refused) expect(verdict.reason).toEqual(overloaded);
  });
});

it('made-up passwords are long, mixed and never the same', () => {
  const passwords = Array.from({ length: 500 }, () => newPassword());
  for (const password of passwords) {
    expect(password).toMatch(/^[A-HJ-NP-Za-km-z2-9]{6}(-[A-HJ-NP-Za-km-z2-9]{6}){3}$/);
    expect([/[A-Z]/, /[a-z]/, /[0-9]/].every((kind) => kind.test(password))).toBe(true);
  }
  expect(new Set(passwords).size).toBe(500);
});
