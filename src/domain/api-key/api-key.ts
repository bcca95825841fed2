// API keys: long-lived secrets by which programs call.

/** What every API key begins with, so that people and secret scanners know one when they see it. */
export const API_KEY_PREFIX = 'lkak_';

/** A stored key joined with what its owner may do now. Times are epoch milliseconds. */
export type ApiKeyRecord = {
  readonly id: string;
  /** SHA-256 of the secret part. */
  readonly digest: Uint8Array;
  readonly ownerId: string;
  readonly ownerKind: 'user' | 'service';
  readonly ownerActive: boolean;
  /** The owner's role; empty for a service. */
  readonly ownerRole: string;
  /** What a service account is granted; unused for a user, whose role decides. */
  readonly ownerScopes: readonly string[];
  /** The owner's epoch when this record was read. */
  readonly ownerVersion: number;
  readonly scopes: readonly string[];
  readonly expireTime: number | undefined;
  readonly revokeTime: number | undefined;
};

/** A new key. */
export type NewApiKey = {
  readonly id: string;
  readonly digest: Uint8Array;
  readonly ownerId: string;
  readonly ownerKind: 'user' | 'service';
  readonly displayName: string;
  readonly scopes: readonly string[];
  readonly createTime: number;
  readonly expireTime: number | undefined;
};

/** Port: where keys are kept. */
export type ApiKeyStore = {
  insert(key: NewApiKey): Promise<void>;
  /** The key with its owner as both are now; undefined when there is no such key. */
  find(id: string): Promise<ApiKeyRecord | undefined>;
  /** Whether this call revoked it: false when it does not exist or was revoked already. */
  revoke(id: string, now: number): Promise<boolean>;
};

/** Port: how a key is written, and what is stored of it. */
export type ApiKeyCodec = {
  /** A new key for `id`: the text that is shown once, and the digest to store. */
  create(id: string): { readonly text: string; readonly digest: Uint8Array };
  /** The id and the digest of a presented key; undefined when it is not one. */
  read(text: string): { readonly id: string; readonly digest: Uint8Array } | undefined;
  /** Compares in constant time. */
  sameDigest(left: Uint8Array, right: Uint8Array): boolean;
  /** A short stand-in for the presented text, to remember verdicts by; the text itself is not kept. */
  fingerprint(text: string): string;
};
