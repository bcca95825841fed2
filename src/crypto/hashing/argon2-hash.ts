// Reads argon2 hashes in the PHC format, before anything is computed by what they say.

import { base64Bytes } from './hash-bytes.ts';

/** What one check of a hash may cost: memory in KiB, passes, lanes. */
export type Argon2Bounds = {
  readonly memoryCost: number;
  readonly timeCost: number;
  readonly parallelism: number;
};

/** What a hash from elsewhere may cost. */
export const MAX_IMPORTED_ARGON2: Argon2Bounds = { memoryCost: 262_144, timeCost: 16, parallelism: 64 };
/** What any hash may cost: as much as the configuration allows, for a hash made under other settings must still be checked. */
export const MAX_ARGON2: Argon2Bounds = { memoryCost: 4_194_304, timeCost: 100, parallelism: 64 };

const HASH =
  /^\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?(?<parameters>[mtp]=\d{1,10},[mtp]=\d{1,10},[mtp]=\d{1,10})\$(?<salt>[A-Za-z0-9+/]{1,700})\$(?<key>[A-Za-z0-9+/]{1,700})$/;

/** Whether the text is an argon2 hash (RFC 9106, section 3.1 for the limits) whose parameters keep within `bounds`. Pure. */
export function isArgon2Hash(text: string, bounds: Argon2Bounds): boolean {
  const { parameters = '', salt = '', key = '' } = HASH.exec(text)?.groups ?? {};
  const [m, t, p] = ['m', 't', 'p'].map((name) => readParameter(parameters, name));
  if (m === undefined || t === undefined || p === undefined) return false;
  if ((base64Bytes(salt)?.length ?? 0) < 8 || (base64Bytes(key)?.length ?? 0) < 16) return false;
  const isValid = t >= 1 && p >= 1 && m >= 8 * p;
  return isValid && m <= bounds.memoryCost && t <= bounds.timeCost && p <= bounds.parallelism;
}

// In any order: the format fixes one, and not every library keeps to it.
function readParameter(parameters: string, name: string): number | undefined {
  const pair = parameters.split(',').find((candidate) => candidate.startsWith(`${name}=`));
  return pair === undefined ? undefined : Number(pair.slice(2));
}
