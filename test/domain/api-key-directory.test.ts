// What a look-up of an API key costs: nothing for a made-up one, little for one of the old form without a checksum.

import { randomBytes, randomUUID } from 'node:crypto';
import { beforeEach, expect, it } from 'vitest';
import { apiKeyCodec } from '../../src/crypto/tokens/api-key-codec.ts';
import { ApiKeyDirectory } from '../../src/domain/api-key/api-key-directory.ts';
import type { ApiKeyRecord } from '../../src/domain/api-key/api-key.ts';
import { DomainError } from '../../src/domain/errors.ts';
import { LIMIT_TABLE } from '../../src/domain/limits/limit-table.ts';
import { RevocationIndex } from '../../src/domain/revocation/revocation-index.ts';
import { memoryRateLimiter } from '../../src/storage/memory/rate-limiter.ts';
import { FakeClock } from '../support/fake-clock.ts';

const clock = new FakeClock();
const codec = apiKeyCodec(randomBytes(32));
const stranger = { clientAddress: '198.51.100.7' };
const LIMIT = 5;
const table = { ...LIMIT_TABLE, api_key: { address: { limit: LIMIT, windowMs: 60_000 } } };

let stored: Map<string, ApiKeyRecord>;
let finds: number;
let running: number;
let mostRunning: number;
let directory: ApiKeyDirectory;
beforeEach(() => {
  stored = new Map();
  finds = 0;
  running = 0;
  mostRunning = 0;
  const apiKeys = {
    async find(id: string) {
      finds += 1;
      running += 1;
      mostRunning = Math.max(mostRunning, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return stored.get(id);
    },
  };
  const revocationIndex = new RevocationIndex({ clock, databaseOutageGraceMs: 60_000 });
  const rateLimiter = memoryRateLimiter(clock, table);
  directory = new ApiKeyDirectory({
    apiKeys,
    apiKeyCodec: codec,
    revocationIndex,
    clock,
    outageGraceMs: 60_000,
    rateLimiter,
  });
});

/** A stored key. */
function issue(): { id: string; text: string; old: string } {
  const id = randomUUID();
  const { text, digest } = codec.create(id);
  stored.set(id, {
    id,
    digest,
    version: 0,
    ownerId: randomUUID(),
    ownerKind: 'service',
    ownerActive: true,
    ownerRole: '',
    ownerScopes: [],
    ownerVersion: 0,
    scopes: [],
    networks: [],
    expireTime: undefined,
    revokeTime: undefined,
  });
  // 48 bytes are 64 characters: what comes behind is the checksum.
  return { id, text, old: text.slice(0, 'lkak_'.length + 64) };
}
const madeUpOld = () => `lkak_${randomBytes(48).toString('base64url')}`;
const find = async (text: string, caller?: { clientAddress: string }) => directory.find(text, caller);
const endingOf = (text: string, caller?: { clientAddress: string }) =>
  find(text, caller).then(
    (record) => (record === undefined ? 'none' : 'found'),
    (error: unknown) => (error instanceof DomainError ? error.reason : String(error)),
  );

it('finds keys with a checksum, and those of the old form', async () => {
  const { id, text, old } = issue();
  expect(await find(text, stranger)).toMatchObject({ id });
  expect(await find(old, stranger)).toMatchObject({ id });
});

it('answers a made-up key with a checksum at once, without a query', () => {
  const foreign = apiKeyCodec(randomBytes(32));
  for (let time = 0; time < 1_000; time += 1) {
    expect(directory.find(`lkak_${randomBytes(57).toString('base64url')}`, stranger)).toBeUndefined();
    expect(directory.find(foreign.create(randomUUID()).text, stranger)).toBeUndefined();
  }
  expect(finds).toBe(0);
});

it('looks up once a minute what is not there', async () => {
  const { id, text } = issue();
  stored.delete(id);
  const old = madeUpOld();
  for (const key of [text, old]) {
    finds = 0;
    for (let time = 0; time < 10; time += 1) expect(await find(key)).toBeUndefined();
    expect(finds).toBe(1);
    clock.advance(60_000);
    await find(key);
    expect(finds).toBe(2);
  }
});

it('bounds the keys of the old form that an address may show in vain, and those of no other address', async () => {
  const [known, cold] = [issue(), issue()];
  await find(known.old, stranger);
  for (let time = 0; time < LIMIT; time += 1) expect(await endingOf(madeUpOld(), stranger)).toBe('none');
  expect(await endingOf(madeUpOld(), stranger)).toBe('RATE_LIMITED');
  expect(finds).toBe(LIMIT + 1);
  // What is known, has a checksum, or comes from elsewhere is looked up all the same.
  expect(await endingOf(known.old, stranger)).toBe('found');
  expect(await endingOf(cold.text, stranger)).toBe('found');
  expect(await endingOf(cold.old, { clientAddress: '198.51.100.8' })).toBe('found');
  clock.advance(60_000);
  expect(await endingOf(madeUpOld(), stranger)).toBe('none');
});

it('leaves most connections to others, and says when too many wait', async () => {
  const endings = await Promise.all(Array.from({ length: 1_100 }, () => endingOf(madeUpOld())));
  expect(mostRunning).toBe(4);
  expect(endings.filter((ending) => ending === 'OVERLOADED')).toHaveLength(96);
  expect(await endingOf(madeUpOld())).toBe('none');
});
