// Token introspection (RFC 7662): ValidateToken for those who speak OAuth.

import type { GuardedAccess } from '../../domain/access/access-rule.ts';
import { requireAccess } from '../../domain/access/access-rule.ts';
import type { PresentedCredentials } from '../../domain/access/authenticate.ts';
import type { Principal } from '../../domain/access/principal.ts';
import type { AccessRefusals } from '../../domain/audit/access-refusals.ts';
import type { CallOrigin } from '../../domain/audit/audit-event.ts';
import type { Clock } from '../../domain/clock.ts';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import { after } from '../../domain/maybe-promise.ts';
import type { ActiveToken, AssessDeps } from '../../domain/token/assess-token.ts';
import { validateToken } from '../../domain/token/validate-token.ts';
import { clientCredentials } from './credentials.ts';
import { requireParameter } from './form.ts';
import type { OAuthEndpoint } from './oauth-endpoint.ts';

/** Who may introspect: the rule of ValidateToken. */
export type IntrospectionAccess =
  | { readonly mode: 'public' | 'optional' }
  | ({ readonly mode: 'guarded' } & GuardedAccess);

export type IntrospectionDeps = AssessDeps & {
  readonly introspectionAccess: IntrospectionAccess;
  readonly authenticate: (presented: PresentedCredentials) => MaybePromise<Principal>;
  readonly clock: Clock;
  readonly accessRefusals: Pick<AccessRefusals, 'note'>;
  readonly issuer: string;
};

export const INTROSPECTION_PATH = '/oauth2/introspect';

/**
 * POST /oauth2/introspect. Access tokens, API keys and session cookies are told about; a refresh token is `{"active":false}`, for it is good for refreshing
 * alone. `token_type_hint` is not needed: each kind of token is known by its form. Errors: as of ValidateToken.
 */
export function introspectionEndpoint(deps: IntrospectionDeps): OAuthEndpoint {
  const { introspectionAccess: access } = deps;
  return {
    path: INTROSPECTION_PATH,
    limitClass: 'introspect',
    async admit(request, origin, readForm) {
      if (access.mode !== 'guarded') return undefined;
      const presented = { ...(await clientCredentials(request, readForm)), clientAddress: origin.ipAddress };
      const principal = await deps.authenticate(presented);
      requireMayIntrospect(deps, access, principal, origin);
      return principal;
    },
    answer(form) {
      const token = requireParameter(form, 'token');
      return after(validateToken(deps, { token, audience: '', requiredScopes: [] }), (verdict) =>
        verdict.active ? encodeActive(deps, verdict) : { active: false },
      );
    },
  };
}

function requireMayIntrospect(
  deps: IntrospectionDeps,
  access: GuardedAccess,
  principal: Principal,
  origin: CallOrigin,
): void {
  try {
    requireAccess(access, principal, deps.clock.now());
  } catch (error) {
    deps.accessRefusals.note(error, { principal, call: INTROSPECTION_PATH, origin: () => origin });
    throw error;
  }
}

const seconds = (milliseconds: number) => Math.floor(milliseconds / 1000);

// RFC 7662, section 2.2, and the claims of RFC 9068 by the names they have in the token. No `username`: it would cost a look into the
// database. Members without a value are left out by JSON.stringify.
function encodeActive(deps: IntrospectionDeps, { principal, claims }: ActiveToken): object {
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
