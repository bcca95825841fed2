// Identifiers and randomness from the platform's secure source.

import { randomBytes as nodeRandomBytes, randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';
import type { NewId, RandomBytes } from '../domain/clock.ts';

let lastTime = 0;
let sequence = 0;

/** UUIDv7 (RFC 9562, section 5.7), monotonic within this process: a counter orders the ids of one millisecond (section 6.2, method 1). */
export const newId: NewId = () => {
  const random = pooledBytes();
  const msecs = Math.max(Date.now(), lastTime);
  // Begins in the lower half of its range, so that it does not run over within a millisecond.
  sequence = msecs === lastTime ? sequence + 1 : Buffer.from(random).readUInt32BE(6) >>> 1;
  lastTime = msecs;
  return v7({ random, msecs, seq: sequence });
};

const UUID_LENGTH = 16;
const pool = Buffer.alloc(UUID_LENGTH * 256);
let used = pool.length;

// Asking the operating system costs more than the rest of an id, so many ids' bytes are asked for at once; none is used twice.
function pooledBytes(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += UUID_LENGTH;
  return Uint8Array.from(pool.subarray(used - UUID_LENGTH, used));
}

/** Bytes from the operating system's generator. */
export const randomBytes: RandomBytes = (length) => new Uint8Array(nodeRandomBytes(length));

const SYMBOLS = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789';

/** A password for a machine to make and a person to type once: four kinds of character, 140 bits of entropy, no look-alikes. */
export function newPassword(): string {
  const characters: string[] = [];
  while (characters.length < 24) {
    const [byte = 255] = nodeRandomBytes(1);
    const symbol = SYMBOLS[byte & 63];
    if (symbol !== undefined) characters.push(symbol);
  }
  const groups = [0, 6, 12, 18].map((start) => characters.slice(start, start + 6).join(''));
  const password = groups.join('-');
  const isMixed = /[A-Z]/.test(password) && /[a-z]/.test(password) && /[0-9]/.test(password);
  return isMixed ? password : newPassword();
}
