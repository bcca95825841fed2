// Authenticates the caller of a call, and deletes a cookie that is no longer valid.

import type { GuardedAccess } from '../../domain/access/access-rule.ts';
import { requireAccess } from '../../domain/access/access-rule.ts';
import type { PresentedCredentials } from '../../domain/access/authenticate.ts';
import { RENEWED } from '../../domain/access/authenticate.ts';
import type { Principal } from '../../domain/access/principal.ts';
import type { AccessRefusals } from '../../domain/audit/access-refusals.ts';
import type { Clock } from '../../domain/clock.ts';
import { DomainError } from '../../domain/errors.ts';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import { after } from '../../domain/maybe-promise.ts';
import type { AccessRule } from './access-table.ts';
import type { Call } from './call.ts';

export type CallerDeps = {
  readonly authenticate: (presented: PresentedCredentials) => MaybePromise<Principal>;
  readonly clock: Clock;
  readonly accessRefusals: Pick<AccessRefusals, 'note'>;
};

/**
 * The caller, who may make the call; undefined for a public method, and for an anonymous caller where a credential is optional. Errors: those of `authenticate` and
 * `requireAccess`.
 */
export function callerOf(
  deps: CallerDeps,
  rule: AccessRule,
  call: Call,
): MaybePromise<Principal | undefined> {
  if (rule.mode === 'public') return undefined;
  if (rule.mode === 'optional') return knownOrAnonymous(deps, call);
  return after(authenticated(deps, call), (principal) => {
    requireMayCall(deps, rule, principal, call);
    return principal;
  });
}

/** Refuses a caller who may not make the call, and notes the refusal for the audit log. Errors: those of `requireAccess`. */
export function requireMayCall(
  deps: Pick<CallerDeps, 'clock' | 'accessRefusals'>,
  rule: GuardedAccess,
  principal: Principal,
  call: Call,
): void {
  try {
    requireAccess(rule, principal, deps.clock.now());
  } catch (error) {
    noteRefusal(deps, error, principal, call);
    throw error;
  }
}

/** Notes the refusal of a known caller for the audit log. */
export function noteRefusal(
  { accessRefusals }: Pick<CallerDeps, 'accessRefusals'>,
  error: unknown,
  principal: Principal,
  call: Call,
): void {
  accessRefusals.note(error, { principal, call: call.operation, origin: () => call.origin });
}

async function knownOrAnonymous(deps: CallerDeps, call: Call): Promise<Principal | undefined> {
  try {
    return await authenticated(deps, call);
  } catch (error) {
    if (isNoCredential(error)) return undefined;
    throw error;
  }
}

/** The principal of the credentials on the call. Errors: those of `authenticate`. */
export function authenticated(deps: Pick<CallerDeps, 'authenticate'>, call: Call): MaybePromise<Principal> {
  const { transport } = call;
  let cookies: readonly string[] = [];
  const presented = {
    authorization: transport.headerValues('authorization'),
    get apiKey() {
      return transport.headerValues('x-api-key');
    },
    get sessionCookies() {
      cookies = call.sessionCookies;
      return cookies;
    },
    get clientAddress() {
      return call.clientAddress;
    },
  };
  const refused = (error: unknown): never => {
    // One that did not count is left alone: another site could log people out otherwise.
    if (cookies.length > 0 && isNoCredential(error) && !isRenewed(error)) call.clearCookie();
    throw error;
  };
  try {
    const principal = deps.authenticate(presented);
    return principal instanceof Promise ? principal.catch(refused) : principal;
  } catch (error) {
    return refused(error);
  }
}

// Calls on their way while a session is renewed: the answer of one must not drop the new cookie.
function isRenewed(error: unknown): boolean {
  return error instanceof DomainError && error.metadata === RENEWED.metadata;
}

function isNoCredential(error: unknown): boolean {
  return error instanceof DomainError && error.reason.startsWith('TOKEN_');
}
