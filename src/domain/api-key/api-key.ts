// API keys: long-lived secrets by which programs call.

import type { User } from '../account/user.ts';
import type { IpNetwork } from '../network/ip-network.ts';
import type { PageQuery } from '../paging.ts';
import type { Revocation } from '../revocation/revocation.ts';

/** What every API key begins with, so that people and secret scanners know one when they see it. */
export const API_KEY_PREFIX = 'lkak_';

/** A stored key joined with what its owner may do now. Times are epoch milliseconds. */
export type ApiKeyRecord = {
  readonly id: string;
  /** SHA-256 of the secret part. */
  readonly digest: Uint8Array;
  /** Raised when the key is narrowed: a record with a lower one says too much. */
  readonly version: number;
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
  /** From where the key may be used; from anywhere when empty. */
  readonly networks: readonly IpNetwork[];
  readonly expireTime: number | undefined;
  readonly revokeTime: number | undefined;
};

/** A key as its owner sees it. Times are epoch milliseconds. */
export type ApiKey = {
  readonly id: string;
  readonly ownerId: string;
  readonly displayName: string;
  readonly scopes: readonly string[];
  /** In CIDR notation. */
  readonly allowedCidrs: readonly string[];
  readonly createTime: number;
  readonly expireTime: number | undefined;
  readonly lastUsedTime: number | undefined;
  readonly useCount: bigint;
};

/** A new key. */
export type NewApiKey = {
  readonly id: string;
  readonly digest: Uint8Array;
  readonly ownerId: string;
  readonly ownerKind: 'user' | 'service';
  readonly displayName: string;
  readonly scopes: readonly string[];
  /** In CIDR notation. */
  readonly allowedCidrs: readonly string[];
  readonly createTime: number;
  readonly expireTime: number | undefined;
  /** The key by which it is made; undefined when who makes it has logged in. */
  readonly madeBy?: string | undefined;
};

/** How often a key was used since that was last written down, and when last. */
export type ApiKeyUse = { readonly id: string; readonly count: number; readonly lastUsedTime: number };

/** Port: where keys are kept. */
export type ApiKeyStore = {
  insert(key: NewApiKey): Promise<void>;
  /** The key with its owner as both are now; undefined when there is no such key. */
  find(id: string): Promise<ApiKeyRecord | undefined>;
  /** The live key, of an owner who is active, locked for share until the transaction ends: a transaction that ends the key or its service account waits. */
  share(id: string, now: number): Promise<ApiKey | undefined>;
  setExpiry(id: string, expireTime: number): Promise<void>;
  /** Stores name, scopes, networks and expiry of the key, and resolves to its version, which rises by that. The caller has locked its row. */
  change(key: ApiKey): Promise<number>;
  /**
   * Ends the live keys that were made by `ids`, by those, and so on, and writes and answers their revocations, which are kept until `expireTime`.
   * None that is made meanwhile escapes.
   */
  endMadeBy(ids: readonly string[], now: number, expireTime: number): Promise<readonly Revocation[]>;
  /** Whether this call revoked it: false when it does not exist or was revoked already. */
  revoke(id: string, now: number): Promise<boolean>;
  /** Adds to what is counted, in one statement for all; uses that several nodes write at once add up. */
  addUses(uses: readonly ApiKeyUse[]): Promise<void>;
};

/** Port: the keys of people, as their owners deal with them. What is another's, or a service's, is not there. */
export type OwnApiKeyStore = {
  /**
   * The role and the epoch of the active user, locked for update: transactions that make keys for the same user wait, and so
   * does who ends them all.
   */
  lockOwner(ownerId: string): Promise<Pick<User, 'role' | 'tokenVersion'> | undefined>;
  /** How many of the user's keys are neither revoked nor expired. */
  countLive(ownerId: string, now: number): Promise<number>;
  /** The user's live key, locked for update. */
  lockLive(id: string, ownerId: string, now: number): Promise<ApiKey | undefined>;
  /** Whether this call revoked it; as `ApiKeyStore.revoke`, but for the user's own keys. */
  revokeOwn(id: string, ownerId: string, now: number): Promise<boolean>;
  /**
   * Ends every key of the user, whose row the caller has locked, and writes and answers their revocations, which are kept until `expireTime`. In one
   * statement.
   */
  endAll(ownerId: string, now: number, expireTime: number): Promise<readonly Revocation[]>;
  /** Those that are not revoked, newest first. */
  list(query: PageQuery): Promise<readonly ApiKey[]>;
};

/** What the text of a key says. One without a checksum is from before there was one, or made up. */
export type PresentedApiKey = {
  readonly id: string;
  readonly digest: Uint8Array;
  readonly hasChecksum: boolean;
};

/** Port: how a key is written, and what is stored of it. */
export type ApiKeyCodec = {
  /** A new key for `id`: the text that is shown once, and the digest to store. */
  create(id: string): { readonly text: string; readonly digest: Uint8Array };
  /** A presented key; undefined when it is not one, or its checksum shows that it was not made here. */
  read(text: string): PresentedApiKey | undefined;
  /** Compares in constant time. */
  sameDigest(left: Uint8Array, right: Uint8Array): boolean;
  /** A short stand-in for the presented text, to cache verdicts by; the text itself is not kept. */
  fingerprint(text: string): string;
};
