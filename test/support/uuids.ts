// UUIDs by a name, the same in every run.

import { createHash } from 'node:crypto';
import { uuidFromBytes } from '../../src/crypto/uuid-bytes.ts';

/** The UUID that goes by this name. */
export function uuidOf(name: string): string {
  return uuidFromBytes(createHash('sha256').update(name).digest().subarray(0, 16));
}
