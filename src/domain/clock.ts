// Time, ids and randomness as the domain sees them: ports, so that tests control them.

/** Milliseconds since the Unix epoch. */
export type Clock = { now(): number };

/** A new UUIDv7 (RFC 9562, section 5.7): unique, and ordered by time of creation. */
export type NewId = () => string;

/** `length` bytes from a cryptographically secure source. */
export type RandomBytes = (length: number) => Uint8Array;
