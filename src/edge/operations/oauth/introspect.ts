// Token introspection (RFC 7662): ValidateToken for those who speak OAuth.

import type { Clock } from '../../../domain/clock.ts';
import { after } from '../../../domain/maybe-promise.ts';
import type { ActiveToken, AssessDeps } from '../../../domain/token/assess-token.ts';
import { validateToken } from '../../../domain/token/validate-token.ts';
import type { Form } from '../../messages/form.ts';
import { requireParameter } from '../../messages/form.ts';
import type { AccessRule } from '../../pipeline/access-table.ts';
import type { Operation } from '../../pipeline/operation.ts';

export type IntrospectDeps = AssessDeps & {
  readonly clock: Clock;
  /** `iss` of the tokens. */
  readonly issuer: string;
};

export const INTROSPECTION_PATH = '/oauth2/introspect';

/**
 * POST /oauth2/introspect, with the access rule of ValidateToken. Access tokens, API keys and session cookies are described; a refresh token is
 * `{"active":false}`, for it is good for refreshing alone. `token_type_hint` is not needed: each kind of token is known by its form. Errors: as
 * of ValidateToken.
 */
export function introspectOperation(deps: IntrospectDeps, access: AccessRule): Operation<Form, object> {
  return {
    name: INTROSPECTION_PATH,
    access: { ...access, limitClass: 'introspect' },
    run(form, call) {
      const token = requireParameter(form, 'token');
      return after(call.charge(), () =>
        after(validateToken(deps, { token, audience: '', requiredScopes: [] }), (verdict) =>
          verdict.active ? encodeActive(deps, verdict) : { active: false },
        ),
      );
    },
  };
}

const seconds = (milliseconds: number) => Math.floor(milliseconds / 1000);

// RFC 7662, section 2.2, and the claims of RFC 9068 by the names they have in the token. No `username`: it would cost a look into the
// database. Members without a value are left out by JSON.stringify.
function encodeActive(deps: IntrospectDeps, { principal, claims }: ActiveToken): object {
  const { authTime, expiresAt } = principal;
  return {
    active: true,
    scope: principal.scopes.join(' '),
    client_id: claims?.clientId ?? (principal.kind === 'service' ? principal.subjectId : undefined),
    // A cookie is good in a cookie alone.
    token_type: principal.credential === 'session_cookie' ? undefined : 'Bearer',
    exp: expiresAt === undefined ? undefined : seconds(expiresAt),
    iat: claims === undefined ? undefined : seconds(claims.issuedAt),
    nbf: claims === undefined ? undefined : seconds(claims.notBefore),
    sub: principal.subjectId,
    aud: claims?.audience ?? [deps.audience],
    iss: deps.issuer,
    jti: principal.credentialId,
    sid: principal.sessionId,
    auth_time: authTime === undefined ? undefined : seconds(authTime),
    amr: principal.amr.length === 0 ? undefined : principal.amr,
  };
}
