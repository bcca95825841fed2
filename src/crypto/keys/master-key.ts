// The master key: every other secret of the service is derived from it or sealed by it.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const FORMAT = 1;
const KEY_ID_LENGTH = 8;
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;
const HEADER_LENGTH = 1 + KEY_ID_LENGTH + NONCE_LENGTH;

/** Length of a master key in bytes. */
export const MASTER_KEY_LENGTH = 32;

/** What was sealed cannot be opened: by another key, for another purpose, or altered. */
export class UnsealError extends Error {
  override readonly name = 'UnsealError';
}

/** Derives keys by HKDF-SHA-256 (RFC 5869) and seals data by AES-256-GCM (NIST SP 800-38D). */
export class MasterKey {
  readonly #secret: Uint8Array;
  /** Identifies the master key that sealed something, without revealing the key. */
  readonly id: Buffer;

  constructor(secret: Uint8Array) {
    if (secret.length !== MASTER_KEY_LENGTH)
      throw new RangeError(`a master key has ${MASTER_KEY_LENGTH} bytes, not ${secret.length}`);
    this.#secret = secret;
    this.id = Buffer.from(this.derive('key-id').subarray(0, KEY_ID_LENGTH));
  }

  /** A 32-byte key for one purpose; independent of every other purpose's. */
  derive(purpose: string): Uint8Array {
    return new Uint8Array(hkdfSync('sha256', this.#secret, new Uint8Array(), `latchkey/v1/${purpose}`, 32));
  }

  /** Seals `plaintext` so that it opens for the same purpose and context alone. Layout: format, key id, nonce, ciphertext, tag. */
  seal(purpose: string, context: string, plaintext: Uint8Array): Uint8Array {
    const nonce = randomBytes(NONCE_LENGTH);
    const header = Buffer.concat([Buffer.of(FORMAT), this.id, nonce]);
    const cipher = createCipheriv('aes-256-gcm', this.derive(`seal/${purpose}`), nonce);
    cipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
    const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return new Uint8Array(Buffer.concat([header, body, cipher.getAuthTag()]));
  }

  /** Whether a sealed value says that this key sealed it; `unseal` verifies it. */
  isNamedBy(sealed: Uint8Array): boolean {
    return this.id.equals(sealed.subarray(1, 1 + KEY_ID_LENGTH));
  }

  /** Opens what `seal` made. Errors: UnsealError. */
  unseal(purpose: string, context: string, sealed: Uint8Array): Uint8Array {
    const bytes = Buffer.from(sealed);
    const header = bytes.subarray(0, HEADER_LENGTH);
    if (bytes.length < HEADER_LENGTH + TAG_LENGTH || header[0] !== FORMAT)
      throw new UnsealError('not a sealed value');
    if (!this.isNamedBy(bytes)) throw new UnsealError('sealed by another master key');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      this.derive(`seal/${purpose}`),
      header.subarray(1 + KEY_ID_LENGTH),
    );
    decipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_LENGTH));
    try {
      return new Uint8Array(
        Buffer.concat([decipher.update(bytes.subarray(HEADER_LENGTH, -TAG_LENGTH)), decipher.final()]),
      );
    } catch (error) {
      throw new UnsealError('altered, or sealed for something else', { cause: error });
    }
  }
}
