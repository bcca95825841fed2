// Holds the access token verifier against every text that is no token, or a second spelling of one: refused, never a crash.

import { sign } from 'node:crypto';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';

import { claimsAt, forge, segment, signBytes, tokenForge } from './token-forge.ts';

const INVALID = { fault: 'invalid' };
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

describe('the spelling of an access token', () => {
  let world: Awaited<ReturnType<typeof tokenForge>>;
  let token: string;
  let parts: [string, string, string];
  beforeAll(async () => {
    world = await tokenForge();
    // With both letters that the two base64 alphabets spell differently, in the signature.
    do {
      token = forge(world.privateKey, world.header, world.payload);
      parts = token.split('.') as typeof parts;
    } while (!parts[2].includes('-') || !parts[2].includes('_'));
  });

  const verify = async (text: string) => world.verifier.verify(text);

  it('is accepted as it should be (else nothing below proves anything)', async () => {
    expect(await verify(token)).toHaveProperty('claims');
  });

  it('has no spare bits in the signature', async () => {
    const last = ALPHABET.indexOf(token.at(-1) ?? '');
    const others = Array.from({ length: 16 }, (_, bits) => ALPHABET[(last & 0b110000) | bits]);
    const accepted = [];
    for (const character of others) {
      const spelling = token.slice(0, -1) + character;
      if ('claims' in (await verify(spelling))) accepted.push(spelling);
    }
    expect(accepted).toEqual([token]);
  });

  it('has no padding, no white space and no other alphabet, in any part', async () => {
    const [header, payload, signature] = parts;
    const changed = (change: (part: string) => string) => [
      `${change(header)}.${payload}.${signature}`,
      `${header}.${change(payload)}.${signature}`,
      `${header}.${payload}.${change(signature)}`,
    ];
    const spellings = [
      ...['=', '==', ' ', '\n', '\t', '\u0000', 'A', '%3D'].flatMap((end) => changed((part) => part + end)),
      ...[' ', '\n', '\uFEFF'].flatMap((start) => changed((part) => start + part)),
      ...changed((part) => `${part.slice(0, 5)} ${part.slice(5)}`),
      ...changed((part) => `${part.slice(0, 5)}\n${part.slice(5)}`),
      `${header}.${payload}.${signature.replaceAll('-', '+').replaceAll('_', '/')}`,
    ];
    for (const spelling of spellings) expect(await verify(spelling)).toEqual(INVALID);
  });

  it('has one signature, of the right form and of that text', async () => {
    const [header, payload, signature] = parts;
    const signed = `${header}.${payload}`;
    const signatures = [
      '',
      signature.slice(0, 4),
      signature.slice(0, -2),
      signature + signature,
      Buffer.alloc(64).toString('base64url'),
      Buffer.alloc(64, 0xff).toString('base64url'),
      // DER, as all but JOSE write ECDSA signatures.
      sign('sha256', Buffer.from(signed), world.privateKey).toString('base64url'),
      signBytes(world.privateKey, `${signed} `).toString('base64url'),
    ];
    for (const other of signatures) expect(await verify(`${signed}.${other}`)).toEqual(INVALID);
    const richer = segment({ ...world.payload, role: 'super_admin' });
    expect(await verify(`${header}.${richer}.${signature}`)).toEqual(INVALID);
  });

  it('is compact: neither JSON, nor encrypted, nor nested', async () => {
    const [header, payload, signature] = parts;
    const texts = [
      JSON.stringify({ payload, protected: header, signature }),
      JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
      `${segment({ alg: 'dir', enc: 'A256GCM' })}..AAAA.AAAA.AAAA`,
      `${token}.AAAA.AAAA`,
      `${token}.AAAA`,
      `${header}.${signature}`,
      `Bearer ${token}`,
      `"${token}"`,
      forge(world.privateKey, { ...world.header, cty: 'JWT' }, token),
    ];
    for (const text of texts) expect(await verify(text)).toEqual(INVALID);
  });

  it.each([
    '',
    '.',
    '..',
    '...',
    'a.b.c',
    'null.null.null',
    'é.é.é',
    '\uD800.\uDC00.\uD800',
    '🔑.🔑.🔑',
    '\u0000.\u0000.\u0000',
    '٠.٠.٠',
  ])('is not %j', async (text) => {
    expect(await verify(text)).toEqual(INVALID);
  });

  it.each(['é', '🔑', '\uD800', '\u0000', 'ｅ', '\u0130'])(
    'is plain ASCII in every part, without %j',
    async (odd) => {
      const [header, payload, signature] = parts;
      for (const text of [
        `${header}${odd}.${payload}.${signature}`,
        `${header}.${payload}${odd}.${signature}`,
        `${header}.${odd}.${signature}`,
        `${header}.${payload}.${signature}${odd}`,
        `${header}.${payload}.${odd}`,
      ]) {
        expect(await verify(text)).toEqual(INVALID);
      }
    },
  );

  it('is short: 5 MB are refused before anyone reads them', async () => {
    const long = await world.signer.sign({ ...claimsAt(world.clock.now()), role: 'x'.repeat(20_000) });
    const huge = ['x'.repeat(5_000_000), '.'.repeat(5_000_000), `${token}${'A'.repeat(5_000_000)}`, long];
    for (const text of huge) expect(world.verifier.verify(text)).toEqual(INVALID);
  });

  it('is refused for any text at all', async () => {
    const part = fc.oneof(
      fc.constantFrom('', segment({ alg: 'none' }), segment('null')),
      fc.string({ unit: 'binary' }),
      fc.base64String(),
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.tuple(fc.constantFrom(parts[0], ''), part, part, part).map((pieces) => pieces.join('.')),
      fc.tuple(part, part).map(([payload, signature]) => `${parts[0]}.${payload}.${signature}`),
    );
    await fc.assert(
      fc.asyncProperty(text, async (candidate) => {
        expect(await verify(candidate)).toEqual(INVALID);
      }),
      { numRuns: 500 },
    );
  });

  it('is refused with any one character changed', async () => {
    const accepted: number[] = [];
    for (let index = 0; index < token.length; index += 1) {
      const character = token[index] === 'A' ? 'B' : 'A';
      const changed = token.slice(0, index) + character + token.slice(index + 1);
      if ('claims' in (await verify(changed))) accepted.push(index);
    }
    expect(accepted).toEqual([]);
  });
});
