// Makes signing keys, and opens those that the database keeps sealed.

import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { CryptoKey } from 'jose';
import { calculateJwkThumbprint, exportJWK, exportPKCS8, generateKeyPair, importJWK } from 'jose';
import type { NewSigningKey, PublicJwk, SigningKey } from '../../domain/keyset/signing-key.ts';
import type { Sealer } from './keyring.ts';

/** What private halves are sealed for; the context is the `kid`. */
export const SIGNING_KEY_PURPOSE = 'signing-key';

/** A key that signs and verifies. */
export type OpenSigningKey = {
  readonly kid: string;
  readonly algorithm: string;
  readonly publicJwk: PublicJwk;
  readonly activateTime: number;
  readonly privateKey: KeyObject;
  readonly publicKey: CryptoKey;
};

/** Makes key pairs; `kid` is the JWK thumbprint (RFC 7638), and the private half leaves sealed. */
export function signingKeyMaker(sealer: Sealer): NewSigningKey {
  return async (algorithm, createTime, activateTime) => {
    const pair = await generateKeyPair(algorithm, { extractable: true, modulusLength: 3072 });
    const jwk = await exportJWK(pair.publicKey);
    const kid = await calculateJwkThumbprint(jwk);
    const members = Object.entries(jwk).filter(
      (member): member is [string, string] => typeof member[1] === 'string',
    );
    const publicJwk: PublicJwk = {
      ...Object.fromEntries(members),
      kty: jwk.kty ?? '',
      kid,
      alg: algorithm,
      use: 'sig',
    };
    const sealedPrivateKey = sealer.seal(
      SIGNING_KEY_PURPOSE,
      kid,
      Buffer.from(await exportPKCS8(pair.privateKey)),
    );
    return { kid, algorithm, publicJwk, sealedPrivateKey, createTime, activateTime };
  };
}

/** The key with its private half unsealed. Errors: UnsealError. */
export async function openSigningKey(sealer: Sealer, key: SigningKey): Promise<OpenSigningKey> {
  const pem = Buffer.from(sealer.unseal(SIGNING_KEY_PURPOSE, key.kid, key.sealedPrivateKey)).toString();
  const publicKey = await importJWK(key.publicJwk, key.algorithm);
  if (publicKey instanceof Uint8Array) throw new TypeError(`signing key ${key.kid} is not asymmetric`);
  return {
    kid: key.kid,
    algorithm: key.algorithm,
    publicJwk: key.publicJwk,
    activateTime: key.activateTime,
    privateKey: createPrivateKey(pem),
    publicKey,
  };
}
