// bcrypt over a digest of the password, so that all of it counts: WordPress from 6.8 on and passlib's bcrypt_sha256.

import { createHash, createHmac } from 'node:crypto';
import type { VerifyPassword } from '../hashing/hash-bytes.ts';
import { readBcrypt } from './legacy-bcrypt.ts';
import { asWordPressHashes } from './wordpress-passwords.ts';

const WORDPRESS_PREFIX = '$wp';
const WORDPRESS_KEY = 'wp-sha384';

/** The check of a hash of WordPress 6.8 and later, `$wp$2y$…`: bcrypt of the Base64 of the password's HMAC-SHA-384 (`wp_hash_password`). */
export function readWordPress(text: string): VerifyPassword | undefined {
  const verify = text.startsWith(`${WORDPRESS_PREFIX}$2`) ? readBcrypt(text.slice(3)) : undefined;
  if (verify === undefined) return undefined;
  return async (password) => {
    for (const hashed of asWordPressHashes(password))
      if (await verify(createHmac('sha384', WORDPRESS_KEY).update(hashed).digest('base64'))) return true;
    return false;
  };
}

const VERSION_1 =
  /^\$bcrypt-sha256\$(?<ident>2[aby]),(?<cost>\d{1,2})\$(?<salt>[./A-Za-z0-9]{22})\$(?<digest>[./A-Za-z0-9]{31})$/;
const VERSION_2 =
  /^\$bcrypt-sha256\$v=2,t=(?<ident>2[aby]),r=(?<cost>\d{1,2})\$(?<salt>[./A-Za-z0-9]{22})\$(?<digest>[./A-Za-z0-9]{31})$/;

/** The check of passlib's `bcrypt_sha256`: bcrypt of the Base64 of SHA-256, in version 2 of HMAC-SHA-256 with the salt as it is written for its key. */
export function readPasslibBcrypt(text: string): VerifyPassword | undefined {
  const second = VERSION_2.exec(text)?.groups;
  const { ident, cost = '', salt = '', digest } = second ?? VERSION_1.exec(text)?.groups ?? {};
  const verify = readBcrypt(`$${ident}$${cost.padStart(2, '0')}$${salt}${digest}`);
  if (verify === undefined) return undefined;
  const hashOf = () => (second === undefined ? createHash('sha256') : createHmac('sha256', salt));
  return (password) => verify(hashOf().update(password).digest('base64'));
}
