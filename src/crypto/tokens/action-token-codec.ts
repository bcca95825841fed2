// Writes and reads single-use tokens: an id and 256 random bits, of which only the SHA-256 is kept.

import { hash, randomBytes } from 'node:crypto';
import type { ActionPurpose, ActionTokenCodec } from '../../domain/action-token/action-token.ts';
import { uuidFromBytes, uuidToBytes } from '../uuid-bytes.ts';

const PREFIXES: Readonly<Record<ActionPurpose, string>> = {
  password_reset: 'lkpr_',
  invitation: 'lkin_',
  email_verification: 'lkev_',
  email_change: 'lkec_',
  mfa_challenge: 'lkmf_',
};

const ID_LENGTH = 16;
const SECRET_LENGTH = 32;
// 48 bytes are 64 characters of base64url with no spare bits: one token has one spelling.
const BODY = /^[A-Za-z0-9_-]{64}$/;

/** The codec; the purpose is a part of the digest, so that no token is valid for another. */
export const actionTokenCodec: ActionTokenCodec = {
  create(purpose, id) {
    const secret = randomBytes(SECRET_LENGTH);
    const text = PREFIXES[purpose] + Buffer.concat([uuidToBytes(id), secret]).toString('base64url');
    return { text, digest: digestOf(text) };
  },
  read(purpose, text) {
    const prefix = PREFIXES[purpose];
    const body = text.slice(prefix.length);
    if (!text.startsWith(prefix) || !BODY.test(body)) return undefined;
    const bytes = Buffer.from(body, 'base64url');
    return { id: uuidFromBytes(bytes.subarray(0, ID_LENGTH)), digest: digestOf(text) };
  },
};

function digestOf(text: string): Uint8Array {
  return hash('sha256', text, 'buffer');
}
