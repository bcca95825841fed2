// What an OAuth client learns without asking a person: authorization server metadata (RFC 8414).

import { BUILT_IN_ROLES } from '../../../domain/access/role.ts';
import type { AccessRule } from '../../pipeline/access-table.ts';
import { INTROSPECTION_PATH } from './introspect.ts';
import { REVOCATION_PATH } from './revoke.ts';

export type OAuthMetadataDeps = {
  /** `iss` of the tokens, letter for letter. */
  readonly issuer: string;
  /** What our own URLs begin with; never the Host header, which the caller writes. */
  readonly publicUrl: string;
  /** Who may introspect. */
  readonly introspectionAccess: Pick<AccessRule, 'mode'>;
};

/** Where the key set stands. */
export const JWKS_PATH = '/.well-known/jwks.json';

const WELL_KNOWN = '/.well-known/oauth-authorization-server';

/** Where the document stands: an issuer with a path has it behind the well-known part (RFC 8414, section 3.1), and for plain clients without. */
export function oauthMetadataPaths(issuer: string): readonly string[] {
  const { pathname } = new URL(issuer);
  return pathname === '/' ? [WELL_KNOWN] : [WELL_KNOWN, WELL_KNOWN + pathname];
}

/**
 * The document. Nobody gets tokens from here by an OAuth grant: there is no token endpoint and no authorization endpoint. The lists of what they
 * support would be empty, and so are left out (section 3.2).
 */
export function oauthMetadata({ issuer, publicUrl, introspectionAccess }: OAuthMetadataDeps): object {
  const isOpen = introspectionAccess.mode !== 'guarded';
  return {
    issuer,
    jwks_uri: publicUrl + JWKS_PATH,
    scopes_supported: BUILT_IN_ROLES.flatMap(({ scopes }) => scopes),
    introspection_endpoint: publicUrl + INTROSPECTION_PATH,
    introspection_endpoint_auth_methods_supported: [
      ...(isOpen ? ['none'] : []),
      'client_secret_basic',
      'client_secret_post',
      'Bearer',
    ],
    revocation_endpoint: publicUrl + REVOCATION_PATH,
    revocation_endpoint_auth_methods_supported: ['none'],
  };
}
