// The verifier's keys: fetched when needed, kept when the service is away, and no storm for forged kids.

import { exportJWK, generateKeyPair, generateSecret } from 'jose';
import { expect, it } from 'vitest';
import { KeySet, KeysUnavailableError } from '../../src/verifier/key-set.ts';
import { FakeClock } from '../support/fake-clock.ts';

async function jwk(kid: string, changes: Readonly<Record<string, unknown>> = {}) {
  const { publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig', ...changes };
}

function keySetOver(first: readonly unknown[]) {
  const clock = new FakeClock();
  const world = { keys: first, isAway: false, fetches: 0 };
  const faults: string[] = [];
  const keySet = new KeySet({
    clock,
    onFault: (error) => faults.push(error.message),
    fetchJwks: async () => {
      world.fetches += 1;
      if (world.isAway) throw new Error('away');
      return { keys: world.keys };
    },
  });
  return { clock, world, keySet, faults };
}

it('fetches once for all who ask at first, and no more for those that it knows', async () => {
  const { world, keySet } = keySetOver([await jwk('a')]);
  const found = await Promise.all(Array.from({ length: 50 }, () => keySet.find('a')));
  expect(found.every((key) => key?.algorithm === 'ES256')).toBe(true);
  await keySet.find('a');
  expect(world.fetches).toBe(1);
});

it('fetches for an unknown kid at most once in 30 seconds', async () => {
  const { clock, world, keySet } = keySetOver([await jwk('a')]);
  await keySet.find('a');
  world.keys = [...world.keys, await jwk('b')];
  clock.advance(30_000);
  expect(await keySet.find('b')).toBeDefined();
  for (let forged = 0; forged < 100; forged += 1) {
    expect(await keySet.find(`forged-${forged}`)).toBeUndefined();
    clock.advance(299);
  }
  expect(world.fetches).toBe(2);
  clock.advance(100);
  await keySet.find('forged');
  expect(world.fetches).toBe(3);
});

it('knows a new key before it signs, and drops one that was withdrawn, without anyone waiting', async () => {
  const { clock, world, keySet } = keySetOver([await jwk('a')]);
  await keySet.find('a');
  world.keys = [await jwk('b')];
  clock.advance(299_999);
  expect(keySet.get('a')).toBeDefined();
  expect(world.fetches).toBe(1);
  clock.advance(1);
  expect(keySet.get('a')).toBeDefined();
  await keySet.fetch();
  expect(world.fetches).toBe(2);
  expect(keySet.get('b')).toBeDefined();
  expect(keySet.get('a')).toBeUndefined();
});

it('keeps its keys while the service is away, and calls no unknown kid forged then', async () => {
  const { clock, world, keySet, faults } = keySetOver([await jwk('a')]);
  await keySet.find('a');
  world.isAway = true;
  clock.advance(400_000);
  expect(await keySet.find('a')).toBeDefined();
  await keySet.fetch();
  await expect(keySet.find('b')).rejects.toThrow(KeysUnavailableError);
  expect(faults).toEqual(['away']);
  world.keys = [...world.keys, await jwk('b')];
  world.isAway = false;
  await expect(keySet.find('b')).rejects.toThrow(KeysUnavailableError);
  clock.advance(1_000);
  expect(await keySet.find('b')).toBeDefined();
  expect(await keySet.find('a')).toBeDefined();
});

it('cannot tell before the first set, asks no more than once a second, and recovers', async () => {
  const { clock, world, keySet } = keySetOver([await jwk('a')]);
  world.isAway = true;
  for (let time = 0; time < 20; time += 1)
    await expect(keySet.find('a')).rejects.toThrow(KeysUnavailableError);
  expect(world.fetches).toBe(1);
  world.isAway = false;
  clock.advance(1_000);
  expect(await keySet.find('a')).toBeDefined();
});

it('takes no key that is symmetric, for another use, of another algorithm, or broken, and the good beside it', async () => {
  const secret = await exportJWK(await generateSecret('HS256', { extractable: true }));
  const { keySet } = keySetOver([
    { ...secret, kid: 'oct', alg: 'HS256' },
    { ...secret, kid: 'oct as EC', alg: 'ES256' },
    await jwk('enc', { use: 'enc' }),
    await jwk('no alg', { alg: undefined }),
    await jwk('none', { alg: 'none' }),
    await jwk('broken', { x: 'AAAA' }),
    await jwk('', {}),
    'no key at all',
    await jwk('good'),
  ]);
  expect(await keySet.find('good')).toBeDefined();
  for (const kid of ['oct', 'oct as EC', 'enc', 'no alg', 'none', 'broken', ''])
    expect(keySet.get(kid)).toBeUndefined();
});

it.each([{}, { keys: 'x' }, { keys: [] }, null, 'text'])('does not take %j for a set', async (document) => {
  const faults: Error[] = [];
  const keySet = new KeySet({
    clock: new FakeClock(),
    onFault: (error) => faults.push(error),
    fetchJwks: async () => document,
  });
  await expect(keySet.find('a')).rejects.toThrow(KeysUnavailableError);
  expect(faults).toHaveLength(1);
});
