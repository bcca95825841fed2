// How large an access token may become by the scopes that it carries.

import type { FieldViolation } from '../errors.ts';

/**
 * The largest access token. The narrowest way that a token takes is gRPC metadata, of which peers take 8 KiB in all by default (the other
 * bounds are wider: one header line of a proxy 8 KiB, this service's HTTP port 32 KiB, its verifier 16 KiB); a kibibyte of that is left to the
 * other headers of a call.
 */
export const MAX_ACCESS_TOKEN_BYTES = 7_168;

/** Port: how many bytes an access token with these scopes takes at most, for any user and any signing algorithm. */
export type AccessTokenSizer = (role: string, scopes: readonly string[]) => number;

/** What is wrong with scopes that make a token too large; undefined when it fits. `owner` is whose token it would be, in words. */
export function oversize(
  sizeOf: AccessTokenSizer,
  { field, owner, role, scopes }: SizedScopes,
): FieldViolation | undefined {
  const size = sizeOf(role, scopes);
  if (size <= MAX_ACCESS_TOKEN_BYTES) return undefined;
  const description = `would make an access token of ${owner} ${size} bytes long; ${MAX_ACCESS_TOKEN_BYTES} fit into the metadata of a call. Give fewer or shorter scopes`;
  return { field, description };
}

export type SizedScopes = {
  readonly field: string;
  readonly owner: string;
  /** Empty for a service. */
  readonly role: string;
  readonly scopes: readonly string[];
};
