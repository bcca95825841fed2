// Token revocation (RFC 7009): RevokeToken for those who speak OAuth.

import type { RevokeTokenDeps } from '../../../domain/token/revoke-token.ts';
import { revokeToken } from '../../../domain/token/revoke-token.ts';
import type { Form } from '../../messages/form.ts';
import { requireParameter } from '../../messages/form.ts';
import type { Operation } from '../../pipeline/operation.ts';

export const REVOCATION_PATH = '/oauth2/revoke';

/**
 * POST /oauth2/revoke. Who holds a token may end it, so nobody is asked for more (docs/adr/0004); credentials beside it are not looked at. A text
 * that is no good token succeeds too (section 2.2), and every kind of token can be revoked, so that `unsupported_token_type` is never said.
 */
export function revokeOperation(deps: RevokeTokenDeps): Operation<Form, undefined> {
  return {
    name: REVOCATION_PATH,
    access: { mode: 'public', limitClass: 'revoke' },
    async run(form, call) {
      const token = requireParameter(form, 'token');
      await call.charge();
      await revokeToken(deps, { token, origin: call.origin });
      return undefined;
    },
  };
}
