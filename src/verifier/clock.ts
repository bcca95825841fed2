// Time as the verifier sees it.

/** Milliseconds since the Unix epoch. */
export type Clock = { now(): number };
