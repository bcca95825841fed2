// Identifiers and randomness from the platform's secure source.

import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import type { NewId, RandomBytes } from '../domain/clock.ts';

/** UUIDv7 (RFC 9562, section 5.7), monotonic within this process. */
export const newId: NewId = () => v7();

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
