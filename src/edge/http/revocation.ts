// Token revocation (RFC 7009): RevokeToken for those who speak OAuth.

import type { RevokeTokenDeps } from '../../domain/token/revoke-token.ts';
import { revokeToken } from '../../domain/token/revoke-token.ts';
import { requireParameter } from './form.ts';
import type { OAuthEndpoint } from './oauth-endpoint.ts';

export const REVOCATION_PATH = '/oauth2/revoke';

/**
 * POST /oauth2/revoke. Who holds a token may end it, so nobody is asked for more (docs/adr/0004); credentials beside it are not looked at. A text
 * that is no good token succeeds too (section 2.2), and every kind of token can be revoked, so that `unsupported_token_type` is never said.
 */
export function revocationEndpoint(deps: RevokeTokenDeps): OAuthEndpoint {
  return {
    path: REVOCATION_PATH,
    limitClass: 'revoke',
    admit: () => undefined,
    async answer(form, origin) {
      await revokeToken(deps, { token: requireParameter(form, 'token'), origin });
      return undefined;
    },
  };
}
