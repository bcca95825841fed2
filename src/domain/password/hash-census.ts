// Which shapes of password hash the accounts have: what the checks for unknown accounts are modelled on.

/** A hash and how many accounts of the sample have one that costs the same. */
export type HashShape = {
  /** Algorithm and parameters, without salt and key. */
  readonly shape: string;
  readonly accounts: number;
  /** One of the hashes. */
  readonly example: string;
};

/** Port: hashes of accounts. */
export type HashSampler = {
  /** All hashes, or from many accounts about `limit`; the same ones again while the accounts stay the same. */
  sampleHashes(limit: number): Promise<readonly string[]>;
};

/** Port: what receives the shapes. */
export type HashShapes = { learn(hashes: readonly string[]): void };

/** How many hashes are looked at; a shape that fewer than one account in as many has may be missed. */
const SAMPLE = 10_000;
/** An account whose hash is the first of its shape can be distinguished from unknown ones until the next census. */
export const HASH_CENSUS_INTERVAL_MS = 5 * 60_000;

export type HashCensusDeps = { readonly hashSampler: HashSampler; readonly passwordHasher: HashShapes };

/** Looks which shapes there are. Errors: STORAGE_UNAVAILABLE; what was known before stays. */
export async function takeHashCensus({ hashSampler, passwordHasher }: HashCensusDeps): Promise<void> {
  passwordHasher.learn(await hashSampler.sampleHashes(SAMPLE));
}
