// Reads the access rule of every RPC from its declaration in the proto files. No rule, no start.

import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { getOption, hasOption } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { GuardedAccess } from '../../domain/access/access-rule.ts';
import type { CredentialKind as DomainCredentialKind } from '../../domain/access/principal.ts';
import type { LimitClass } from '../../domain/limits/rate-limiter.ts';
import type { Access } from '../../../gen/latchkey/v1/access_pb.ts';
import {
  access as accessOption,
  CredentialKind,
  RateLimitClass,
} from '../../../gen/latchkey/v1/access_pb.ts';

/** Who may make a call, and what limits it counts toward. */
export type AccessRule = Admission & { readonly limitClass?: LimitClass };

type Admission =
  /** Anyone; credentials are not looked at. */
  | { readonly mode: 'public' }
  /** Anyone; a good credential makes the caller known. */
  | { readonly mode: 'optional' }
  | ({ readonly mode: 'guarded' } & GuardedAccess);

/** The rule of each method. */
export type AccessTable = ReadonlyMap<DescMethod, AccessRule>;

const CREDENTIALS: ReadonlyMap<CredentialKind, DomainCredentialKind> = new Map([
  [CredentialKind.ACCESS_TOKEN, 'access_token'],
  [CredentialKind.API_KEY, 'api_key'],
  [CredentialKind.SESSION_COOKIE, 'session_cookie'],
]);

const LIMIT_CLASSES: ReadonlyMap<RateLimitClass, LimitClass | undefined> = new Map([
  [RateLimitClass.UNSPECIFIED, undefined],
  [RateLimitClass.REGISTER, 'register'],
  [RateLimitClass.LOGIN, 'login'],
  [RateLimitClass.MFA, 'mfa'],
  [RateLimitClass.MAIL, 'mail'],
  [RateLimitClass.TOKEN, 'token'],
  [RateLimitClass.CREDENTIALS, 'credentials'],
  [RateLimitClass.EXCHANGE, 'exchange'],
  [RateLimitClass.REFRESH, 'refresh'],
  [RateLimitClass.REVOKE, 'revoke'],
]);

/** Which scope `LATCHKEY_ANONYMOUS_VALIDATION` gives to everyone. */
const VALIDATION_SCOPE = 'tokens:validate';

/**
 * The rules of all methods of `services`. With `anonymousValidation`, what asks for the scope `tokens:validate` alone is public, streams aside. Errors: Error
 * that names the first RPC without a usable rule; the server must not start then (deny by default).
 */
export function accessTable(
  services: readonly DescService[],
  options: { anonymousValidation: boolean },
): AccessTable {
  const methods = services.flatMap((service) => service.methods);
  return new Map(
    methods.map((method) => [method, relax(method, ruleOf(method), options.anonymousValidation)]),
  );
}

function ruleOf(method: DescMethod): AccessRule {
  const name = `${method.parent.typeName}/${method.name}`;
  if (!hasOption(method, accessOption)) throw new Error(`${name} declares no access option`);
  const access = getOption(method, accessOption);
  const modes = [access.public, access.optional, access.credentials.length > 0].filter(Boolean);
  if (modes.length !== 1)
    throw new Error(`${name} must declare exactly one of public, optional and credentials`);
  return { ...admission(name, access), ...limit(name, access) };
}

function admission(name: string, access: Access): Admission {
  if (access.public) return { mode: 'public' };
  if (access.optional) return { mode: 'optional' };
  return { mode: 'guarded', ...guard(name, access) };
}

function limit(name: string, access: Access): { readonly limitClass?: LimitClass } {
  if (!LIMIT_CLASSES.has(access.rateLimit)) throw new Error(`${name} names an unknown class of limit`);
  const limitClass = LIMIT_CLASSES.get(access.rateLimit);
  return limitClass === undefined ? {} : { limitClass };
}

function guard(name: string, access: Access): GuardedAccess {
  const credentials = access.credentials.map((kind) => {
    const credential = CREDENTIALS.get(kind);
    if (credential === undefined) throw new Error(`${name} names an unknown kind of credential`);
    return credential;
  });
  const maxAuthAgeMs = access.maxAuthAge === undefined ? undefined : durationMs(access.maxAuthAge);
  const { scopes, peopleOnly, servicesExempt } = access;
  const loginRequired = access.loginRequired || maxAuthAgeMs !== undefined;
  const takesKeys = !loginRequired || servicesExempt;
  return {
    credentials: takesKeys ? withKeys(credentials) : credentials,
    scopes,
    maxAuthAgeMs,
    peopleOnly,
    loginRequired,
    servicesExempt,
  };
}

// Where access tokens may call, API keys may: what a key may do beyond its scopes is no more than what the token exchanged for it may.
function withKeys(credentials: readonly DomainCredentialKind[]): readonly DomainCredentialKind[] {
  if (!credentials.includes('access_token') || credentials.includes('api_key')) return credentials;
  return [...credentials, 'api_key'];
}

// A stream reports tokens of other callers, and lasts: it stays guarded.
function relax(method: DescMethod, rule: AccessRule, anonymousValidation: boolean): AccessRule {
  const isValidation =
    method.methodKind === 'unary' &&
    rule.mode === 'guarded' &&
    rule.scopes.length === 1 &&
    rule.scopes[0] === VALIDATION_SCOPE;
  if (!anonymousValidation || !isValidation) return rule;
  return rule.limitClass === undefined ? { mode: 'public' } : { mode: 'public', limitClass: rule.limitClass };
}
