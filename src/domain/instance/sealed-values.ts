// Ports: everything that is kept sealed by the master key, as a change of that key deals with it.

/** Kinds of what is kept sealed. What is sealed and not kept (page tokens, cursors) needs no sealing anew. */
export const SEALED_KINDS = ['totp_secrets', 'signing_keys', 'instance_secrets'] as const;
export type SealedKind = (typeof SEALED_KINDS)[number];

/** One value; `id` names it among its kind, and it opens for no other. */
export type SealedValue = { readonly id: string; readonly sealed: Uint8Array };

/** A value and what is to take its place. */
export type ResealedValue = SealedValue & { readonly resealed: Uint8Array };

/** Port: where they are kept. */
export type SealedValueStore = {
  count(kind: SealedKind): Promise<number>;
  /** Up to `limit` of them in order of `id`, from behind `after` on. */
  list(kind: SealedKind, after: string | undefined, limit: number): Promise<readonly SealedValue[]>;
  /** Replaces those that are still as they were read, all in one statement; resolves to how many. */
  replace(kind: SealedKind, values: readonly ResealedValue[]): Promise<number>;
};

/** Port: the master keys, of which one seals. */
export type Resealer = {
  /** Whether the key that seals has sealed it. */
  isCurrent(sealed: Uint8Array): boolean;
  /** The same content, sealed by the key that seals; undefined when no key opens it. */
  reseal(kind: SealedKind, value: SealedValue): Uint8Array | undefined;
  /** As `isCurrent`, for what shows which key the database is sealed by. */
  isCurrentMark(mark: string): boolean;
  newMark(): string;
};
