// Holds the check of hashes in the forms that frameworks write, and what an import makes of them before anything is computed.

import { setImmediate } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { argon2Hasher } from '../../src/crypto/hashing/argon2-hasher.ts';
import { readImportedHash } from '../../src/crypto/hashing/imported-hash.ts';
import { digestInWorker } from '../../src/crypto/hashing/iterated-hash-workers.ts';
import { iteratedDigest } from '../../src/crypto/hashing/iterated-hashes.ts';
import type { PasswordHasher } from '../../src/domain/password/password-hasher.ts';
import { FRAMEWORK_VECTORS } from '../support/framework-vectors.ts';

let hasher: PasswordHasher;
beforeAll(async () => {
  hasher = await argon2Hasher({ memoryCost: 64, timeCost: 1, parallelism: 1, slots: 2, maxWaiting: 100 });
});

function keptFor(text: string): string {
  const read = readImportedHash(text);
  if ('refusal' in read) throw new Error(read.refusal);
  if (read.hash === undefined) throw new Error('no password');
  return read.hash;
}

it.each(FRAMEWORK_VECTORS)('verifies, by $by: $hash', async ({ hash, password }) => {
  const kept = keptFor(hash);
  expect(hasher.needsRehash(kept)).toBe(true);
  expect(await hasher.verify(kept, password)).toBe(true);
  expect(await hasher.verify(kept, `${password}x`)).toBe(false);
  // As an operator may have written it into the table.
  if (kept !== hash) expect(await hasher.verify(hash, password)).toBe(true);
});

const CHEAP = FRAMEWORK_VECTORS.filter(({ by }) => !/Spring (?:PBKDF2|scrypt)/.test(by));
it.each(CHEAP)('is another when its end is, by $by: $hash', async ({ hash, password }) => {
  const at = hash.length - 6;
  const text = hash.slice(0, at) + (hash[at] === 'a' ? 'b' : 'a') + hash.slice(at + 1);
  expect(await hasher.verify(text, password)).toBe(false);
  for (const wrong of [password.slice(1), '']) expect(await hasher.verify(hash, wrong)).toBe(false);
});

it('SHA-crypt is right at every edge of its blocks', () => {
  // libxcrypt 4.4.33: crypt.crypt('a' * n, '$5$rounds=1000$ab'), and the first half of '$6$rounds=1000$ab'.
  for (const [length, sha256, sha512] of [
    [0, 'Yd3BaIOVbovC2OGzlWXH53yhcyaWZscnPjMwuHC/2t3', 'ibFMAI/Igw53aVaJxJu4wwQmU0jF8lxiKV6mtjRJmbx'],
    [1, 'P3cd6wKZFPAbfMhUgY7dLo0GqpWrBa.JqjfkdKvfAK/', 'pH9NrVOL0TsWVTwIsERtoDA4KGRST7iElxHdzYlv/7k'],
    [31, 'Yh/axtwiJQNdhFLD969muj2bqVPfCKZQv2wgE34fMNC', 'vIeQWF0eiBQk0WSpLHJGvyi0D6w68GzsY.K0M566aoG'],
    [32, '9avTaDJZx.nwuubgkA6XpgKndRvvpQSBG4iC8Hn9nPC', 'Y/.TwLZlz50KU0alQZd5ui6wRv0piLXmg5KjRkscTCA'],
    [64, 'bK80WJHXT4lw.LjdkVbHu8CcXwNARPTcn8BnPu0Y6RB', 'YZ/SPOqgoEEUJXVN.HsHoHgzRVkIUSuTDoff30xWH9F'],
    [129, 'FbwqXXMSaJGN3n5RACHixuQKd.E76HoV9oabhUcjtJ1', 'L6xbFLdRvn5TYKiAbWSloRLtKPtLcalRPFCb0f.2v8a'],
  ] as const) {
    const parts = { password: Buffer.alloc(length, 'a'), salt: 'ab', rounds: 1_000 };
    expect(iteratedDigest({ ...parts, scheme: 'sha256_crypt' })).toBe(sha256);
    expect(iteratedDigest({ ...parts, scheme: 'sha512_crypt' }).slice(0, 43)).toBe(sha512);
  }
});

it('WordPress takes no blanks at the ends, and quotes as they stand too', async () => {
  const [plain] = FRAMEWORK_VECTORS.filter(({ by }) => by === 'WordPress 6.8');
  expect(await hasher.verify(plain!.hash, ` \t${plain!.password} \n`)).toBe(true);
  // By its REST interface: wp_hash_password('it\'s "so"') with cost 4, without addslashes.
  const unslashed = '$wp$2y$04$bSFmQXQJYs9Pn6HzeeVMVedThjZLe/89Xb./mQ.MDOPvMaEzDWRjS';
  expect(await hasher.verify(unslashed, 'it\'s "so"')).toBe(true);
  expect(await hasher.verify(unslashed, 'its so')).toBe(false);
});

describe('means no password:', () => {
  it.each([
    '',
    '!',
    '!64gh5BuXvPcqqhuIihCbbdGqqL33aAJ0lDq7CMNq',
    '!!',
    '!$6$rounds=1000$a$b',
    '*',
    '*0',
    '*LK*',
  ])('%j', (text) => expect(readImportedHash(text)).toEqual({ hash: undefined }));
});

describe('is refused unseen, with a reason that does not repeat it:', () => {
  const digest = 'a'.repeat(86);
  it.each([
    ['{noop}hunter2-hunter2', /plain text/],
    ['5f4dcc3b5aa765d61d8327deb882cf99', /fast hash/],
    ['{SHA-256}{salt}0a1b', /fast hash/],
    ['{sha256}97cde38028ad898ebc02e690819fa220e88c62e0699403e94fff291cfffaf8410849f27605abcbc0', /fast hash/],
    ['{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQpGqHK', /fast hash/],
    ['*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19', /fast hash/],
    ['md5$salt$0a1b', /fast hash/],
    ['$1$abc$JhUP32b/XXuV6pyaxauSD0', /fast hash/],
    ['$y$j9T$salt$rXnbd/FbAhChDcWnWDKsDSMlDCxqOouxp9joymTWhg2', /not taken/],
    [`$6$rounds=1000001$salt$${digest}`, /1000 to 1000000 rounds/],
    [`$6$rounds=999999999$salt$${digest}`, /1000 to 1000000 rounds/],
    [`$6$rounds=999$salt$${digest}`, /rounds/],
    [`$6$rounds=01000$salt$${digest}`, /rounds/],
    [`$6$salt$${digest}a`, /SHA-crypt/],
    [`$5$salt$${digest}`, /SHA-crypt/],
    [`$6$saltsaltsaltsalts$${digest}`, /SHA-crypt/],
    ['$P$J.7AFgA54CAi.5cG.dH3b7DPflukjX1', /phpass/],
    ['$P$4.7AFgA54CAi.5cG.dH3b7DPflukjX1', /phpass/],
    ['bcrypt$$2b$17$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS', /bcrypt/],
    ['{bcrypt}$2b$31$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS', /bcrypt/],
    ['$wp$2y$31$N9qo8uLOickgx2ZMRZoMyeuCutG6Q16rRFiMMex8mmwOtVLZfB5VS', /bcrypt/],
    ['$bcrypt-sha256$v=3,t=2b,r=4$RZOz3DJ3JpwcVO7iSADswu$kD1peRpUeCGjnTbHPEl69xpTIHMu1Gm', /bcrypt/],
    ['argon2$argon2id$v=19$m=4294967295,t=1,p=1$c2Vhc2FsdHNlYXNhbHQ$D4gHVf8Wg0k67cI0aGw5tw', /256 MiB/],
    ['{scrypt}$1f0801$8bWJaSu2IKSn9Z9kM+TPXQ==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=', /scrypt/],
    ['scrypt$1048576$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafQ=', /scrypt/],
    ['{pbkdf2}5d923b44a6d129f3', /PBKDF2/],
    ['hunter2', /forms that are taken/],
    [`s3:${'a'.repeat(32)}:${'b'.repeat(128)}`, /forms that are taken/],
    [`${'A'.repeat(32)}:${'b'.repeat(128)}`, /forms that are taken/],
  ])('%s', async (text, reason) => {
    const read = readImportedHash(text);
    const refusal = 'refusal' in read ? read.refusal : '';
    expect(refusal).toMatch(reason);
    expect(refusal).not.toContain(text);
    expect(await hasher.verify(text, 'hunter2-hunter2')).toBe(false);
  });
});

describe('one password in several spellings', () => {
  const [nfd, nfc] = ['Sésame-42!'.normalize('NFD'), 'Sésame-42!'.normalize('NFC')];

  it('is taken as it was hashed elsewhere: as it was sent, in NFC, in NFKC', async () => {
    const foreign = await import('argon2');
    const hash = (text: string) => foreign.hash(text, { memoryCost: 64, timeCost: 1, parallelism: 1 });
    expect(await hasher.verify(await hash(nfd), nfd)).toBe(true);
    expect(await hasher.verify(await hash(nfc), nfd)).toBe(true);
    expect(await hasher.verify(await hash('fin-Ⅷ'.normalize('NFKC')), 'ﬁn-Ⅷ')).toBe(true);
    // What was not sent and no normal form yields is not looked for.
    expect(await hasher.verify(await hash(nfd), nfc)).toBe(false);
  });

  it('is one password in our own hash', async () => {
    const ours = await hasher.hash(nfd);
    expect(await hasher.verify(ours, nfc)).toBe(true);
    expect(await hasher.verify(ours, nfd)).toBe(true);
    expect(await hasher.verify(ours, 'Sesame-42!')).toBe(false);
  });
});

it('a password of thousands of bytes costs no more than is borne', async () => {
  const dear = `$6$rounds=1000000$salt$${'a'.repeat(86)}`;
  expect(readImportedHash(dear)).toEqual({ hash: dear });
  expect(await hasher.verify(dear, 'x'.repeat(4_096))).toBe(false);
});

describe('iterated hashes', () => {
  const [{ hash, password }] = FRAMEWORK_VECTORS.filter(({ by }) => by === 'passlib sha512_crypt') as [
    (typeof FRAMEWORK_VECTORS)[number],
  ];

  it('are computed off the event loop', async () => {
    const parts = { scheme: 'sha512_crypt', password: Buffer.from('a'), salt: 'ab', rounds: 20_000 } as const;
    const first = await Promise.race([digestInWorker(parts), setImmediate('the event loop')]);
    expect(first).toBe('the event loop');
  });

  it('are right when many are asked for at once', async () => {
    const isRight = Array.from({ length: 40 }, (_, index) => index % 2 === 0);
    const verdicts = await Promise.all(
      isRight.map((right) => hasher.verify(hash, right ? password : 'wrong')),
    );
    expect(verdicts).toEqual(isRight);
  });

  it('survive a thread that fails', async () => {
    const broken = { scheme: 'phpass', password: Buffer.from('a'), salt: 'ab', rounds: 1 } as const;
    await expect(digestInWorker({ ...broken, password: null as never })).rejects.toThrow(TypeError);
    expect(await hasher.verify(hash, password)).toBe(true);
  });
});
