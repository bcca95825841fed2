// Signs compact JWSs (RFC 7515, section 7.1) with the platform's own signer.

import { sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { MaybePromise } from '../domain/maybe-promise.ts';
import { after } from '../domain/maybe-promise.ts';

const signLater = promisify<string, Buffer, KeyObject, Buffer>(sign);

/**
 * The compact serialization of `payload` under `key`. An elliptic-curve signature takes less time than the way to another thread and back, so
 * it is made here and now; an RSA signature takes twenty times as long, and is made elsewhere.
 */
export function signCompact(
  key: { readonly algorithm: string; readonly kid: string; readonly privateKey: KeyObject },
  type: string,
  payload: Readonly<Record<string, unknown>>,
): MaybePromise<string> {
  const header = encode({ alg: key.algorithm, typ: type, kid: key.kid });
  const signed = `${header}.${encode(payload)}`;
  return after(signatureOf(key.algorithm, Buffer.from(signed), key.privateKey), (signature) => {
    return `${signed}.${signature.toString('base64url')}`;
  });
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

// RFC 7518, section 3.4: the two integers of an ECDSA signature side by side, not in DER.
function signatureOf(algorithm: string, data: Buffer, key: KeyObject): MaybePromise<Buffer> {
  if (algorithm === 'ES256') return sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' });
  if (algorithm === 'EdDSA') return sign(null, data, key);
  if (algorithm === 'RS256') return signLater('sha256', data, key);
  throw new TypeError(`no key signs by ${algorithm} here`);
}
