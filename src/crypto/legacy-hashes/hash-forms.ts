// Hashes that frameworks wrap in forms of their own: unwrapped, or written in the form that says the same.

import { base64Bytes, hexBytes } from '../hashing/hash-bytes.ts';

/**
 * The hash in the form that the readers take, where a framework has put an identifier before it or has a form of its own; as it stands where not. Django:
 * `argon2$argon2id$…`, `bcrypt$$2b$…`, `scrypt$N$salt$r$p$key`. Spring Security: `{id}…` with the ids of its DelegatingPasswordEncoder, also as its
 * encoders write without an id. LDAP and Dovecot: `{CRYPT}…`, `{BLF-CRYPT}…` and the like.
 */
export function inKnownForm(text: string): string {
  if (text.startsWith('argon2$argon2')) return text.slice('argon2'.length);
  if (text.startsWith('bcrypt$$2')) return text.slice('bcrypt$'.length);
  return djangoScrypt(text) ?? springScrypt(text) ?? behindScheme(text) ?? text;
}

const DJANGO_SCRYPT =
  /^scrypt\$(?<N>\d{1,9})\$(?<salt>[^$]+)\$(?<r>\d{1,5})\$(?<p>\d{1,5})\$(?<key>[A-Za-z0-9+/=]+)$/;

function djangoScrypt(text: string): string | undefined {
  const found = DJANGO_SCRYPT.exec(text)?.groups;
  const key = base64Bytes(found?.['key'] ?? '');
  if (found === undefined || key === undefined) return undefined;
  return `scrypt:${found['N']}:${found['r']}:${found['p']}$${found['salt']}$${key.toString('hex')}`;
}

// Logarithm of N, r and p in one hexadecimal number.
const SPRING_SCRYPT = /^\$(?<parameters>[0-9a-f]{5,6})\$(?<rest>[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+)$/;

function springScrypt(text: string): string | undefined {
  const { parameters = '', rest = '' } = SPRING_SCRYPT.exec(text)?.groups ?? {};
  if (rest === '') return undefined;
  const value = Number.parseInt(parameters, 16);
  return `$scrypt$ln=${value >> 16},r=${(value >> 8) & 255},p=${value & 255}$${rest}`;
}

const SCHEME = /^\{(?<id>[A-Za-z0-9-]+)(?:@SpringSecurity_v(?<version>\d_\d))?\}(?<hash>.+)$/s;
/** Schemes behind which a hash stands in a form of its own. */
const TRANSPARENT = new Set([
  'bcrypt',
  'argon2',
  'argon2i',
  'argon2id',
  'crypt',
  'blf-crypt',
  'sha256-crypt',
  'sha512-crypt',
]);

function behindScheme(text: string): string | undefined {
  const { id = '', version, hash = '' } = SCHEME.exec(text)?.groups ?? {};
  if (TRANSPARENT.has(id.toLowerCase())) return hash;
  if (id === 'scrypt') return springScrypt(hash);
  return id === 'pbkdf2' ? springPbkdf2(hash, version === '5_8') : undefined;
}

// Pbkdf2PasswordEncoder.defaultsForSpringSecurity_v5_5 and _v5_8: salt and key in one text, the numbers nowhere. One with a secret cannot be checked.
function springPbkdf2(hash: string, isNew: boolean): string | undefined {
  const bytes = hexBytes(hash);
  const saltLength = isNew ? 16 : 8;
  if (bytes?.length !== saltLength + 32) return undefined;
  const [salt, key] = [bytes.subarray(0, saltLength), bytes.subarray(saltLength)];
  const parts = [salt, key].map((part) => part.toString('base64').replace(/=+$/, '')).join('$');
  return isNew ? `$pbkdf2-sha256$310000$${parts}` : `$pbkdf2$185000$${parts}`;
}
