// Signs compact JWSs (RFC 7515, section 7.1) with the platform's own signer.

import { sign } from 'node:crypto';
import type { KeyObject, SignKeyObjectInput } from 'node:crypto';
import { promisify } from 'node:util';

const signElsewhere = promisify<string | null, Buffer, KeyObject | SignKeyObjectInput, Buffer>(sign);

/**
 * The compact serialization of `payload` under `key`. It is signed in the thread pool, where the hashing slots leave threads free: a signature takes
 * longer than all else that a refresh does here.
 */
export async function signCompact(
  key: { readonly algorithm: string; readonly kid: string; readonly privateKey: KeyObject },
  type: string,
  payload: Readonly<Record<string, unknown>>,
): Promise<string> {
  const header = encode({ alg: key.algorithm, typ: type, kid: key.kid });
  const signed = `${header}.${encode(payload)}`;
  const signature = await signatureOf(key.algorithm, Buffer.from(signed), key.privateKey);
  return `${signed}.${signature.toString('base64url')}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

// RFC 7518, section 3.4: the two integers of an ECDSA signature side by side, not in DER.
function signatureOf(algorithm: string, data: Buffer, key: KeyObject): Promise<Buffer> {
  if (algorithm === 'ES256') return signElsewhere('sha256', data, { key, dsaEncoding: 'ieee-p1363' });
  if (algorithm === 'EdDSA') return signElsewhere(null, data, key);
  if (algorithm === 'RS256') return signElsewhere('sha256', data, key);
  throw new TypeError(`no key signs by ${algorithm} here`);
}
