// The table of access rules: what the proto files declare is what holds, and nothing starts without a rule.

import { create, createFileRegistry, setExtension, type DescService } from '@bufbuild/protobuf';
import {
  durationFromMs,
  EmptySchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_empty,
  MethodOptionsSchema,
} from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../src/domain/access/principal.ts';
import { LIMIT_TABLE } from '../../src/domain/limits/limit-table.ts';
import { unlimited } from '../../src/domain/limits/rate-limiter.ts';
import { ActiveCalls } from '../../src/edge/pipeline/active-calls.ts';
import { accessTable, type AccessRule } from '../../src/edge/pipeline/access-table.ts';
import { serveMethod } from '../../src/edge/pipeline/pipeline.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import {
  access,
  AccessSchema,
  CredentialKind,
  RateLimitClass,
  RateLimitClassSchema,
  type Access,
} from '../../gen/latchkey/v1/access_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';

type Declaration = Partial<Omit<Access, '$typeName' | '$unknown'>>;

const { ACCESS_TOKEN, API_KEY, SESSION_COOKIE } = CredentialKind;

/** A service of one method that declares this, or nothing. */
function serviceThatDeclares(declaration: Declaration | undefined): DescService {
  const options = create(MethodOptionsSchema);
  if (declaration !== undefined) setExtension(options, access, create(AccessSchema, declaration));
  const type = '.google.protobuf.Empty';
  const file = create(FileDescriptorProtoSchema, {
    name: 'test.proto',
    package: 'test',
    syntax: 'proto3',
    dependency: ['google/protobuf/empty.proto'],
    service: [{ name: 'Test', method: [{ name: 'Do', inputType: type, outputType: type, options }] }],
  });
  const service = createFileRegistry(file, () => file_google_protobuf_empty).getService('test.Test');
  if (service === undefined) throw new Error('the descriptor was not built');
  return service;
}

function ruleOf(declaration: Declaration | undefined, anonymousValidation = false): AccessRule | undefined {
  const [rule] = accessTable([serviceThatDeclares(declaration)], { anonymousValidation }).values();
  return rule;
}

describe('a declaration', () => {
  it.each<[string, Declaration | undefined, string]>([
    ['that is missing', undefined, 'test.Test/Do declares no access option'],
    ['that is empty', {}, 'test.Test/Do must declare exactly one of'],
    ['of scopes alone', { scopes: ['a'] }, 'must declare exactly one of'],
    ['both public and optional', { public: true, optional: true }, 'must declare exactly one of'],
    ['both public and guarded', { public: true, credentials: [ACCESS_TOKEN] }, 'must declare exactly one of'],
    ['both optional and guarded', { optional: true, credentials: [API_KEY] }, 'must declare exactly one of'],
    ['of an unspecified credential', { credentials: [0] }, 'test.Test/Do names an unknown kind'],
    [
      'of an unknown credential',
      { credentials: [99 as CredentialKind] },
      'test.Test/Do names an unknown kind',
    ],
    [
      'of one known and one unknown',
      { credentials: [ACCESS_TOKEN, 99 as CredentialKind] },
      'an unknown kind',
    ],
    [
      'of an unknown class of limit',
      { public: true, rateLimit: 99 as RateLimitClass },
      'test.Test/Do names an unknown class of limit',
    ],
  ])('%s keeps the server from starting', (_what, declaration, message) => {
    expect(() => ruleOf(declaration)).toThrow(message);
    expect(() => ruleOf(declaration, true)).toThrow(message);
  });

  it('becomes the rule', () => {
    expect(ruleOf({ public: true })).toEqual({ mode: 'public' });
    expect(ruleOf({ optional: true })).toEqual({ mode: 'optional' });
    const declared = {
      credentials: [ACCESS_TOKEN, API_KEY, SESSION_COOKIE],
      scopes: ['a', 'b'],
      maxAuthAge: durationFromMs(300_000),
    };
    expect(ruleOf(declared)).toEqual({
      mode: 'guarded',
      credentials: ['access_token', 'api_key', 'session_cookie'],
      scopes: ['a', 'b'],
      maxAuthAgeMs: 300_000,
      peopleOnly: false,
      loginRequired: true,
      servicesExempt: false,
    });
  });

  it.each<[string, Declaration, boolean]>([
    ['takes', {}, true],
    ['takes', { peopleOnly: true }, true],
    ['does not take', { maxAuthAge: durationFromMs(300_000) }, false],
    ['does not take', { loginRequired: true }, false],
    ['takes', { maxAuthAge: durationFromMs(300_000), servicesExempt: true }, true],
    ['does not take', { credentials: [SESSION_COOKIE] }, false],
  ])('%s API keys with %o', (_what, change, takesKeys) => {
    const rule = ruleOf({ credentials: [ACCESS_TOKEN], ...change });
    const credentials = rule?.mode === 'guarded' ? rule.credentials : [];
    expect(credentials.includes('api_key')).toBe(takesKeys);
  });

  it('is opened by anonymous validation only when it asks for tokens:validate alone', () => {
    const credentials = [ACCESS_TOKEN];
    expect(ruleOf({ credentials, scopes: ['tokens:validate'] }, true)).toEqual({ mode: 'public' });
    expect(ruleOf({ credentials, scopes: ['tokens:validate'] })).toMatchObject({ mode: 'guarded' });
    for (const scopes of [[], ['tokens:validate', 'a'], ['a'], ['tokens:validate:all']])
      expect(ruleOf({ credentials, scopes }, true)).toMatchObject({ mode: 'guarded' });
  });
});

describe('a class of limit', () => {
  it('is part of the rule, for every kind of caller, also when anonymous validation opens it', () => {
    const rateLimit = RateLimitClass.MFA;
    expect(ruleOf({ public: true, rateLimit })).toEqual({ mode: 'public', limitClass: 'mfa' });
    expect(ruleOf({ optional: true, rateLimit })).toEqual({ mode: 'optional', limitClass: 'mfa' });
    const guarded = { credentials: [ACCESS_TOKEN], scopes: ['tokens:validate'], rateLimit };
    expect(ruleOf(guarded)).toMatchObject({ mode: 'guarded', limitClass: 'mfa' });
    expect(ruleOf(guarded, true)).toEqual({ mode: 'public', limitClass: 'mfa' });
    expect(ruleOf({ public: true, rateLimit: RateLimitClass.UNSPECIFIED })).not.toHaveProperty('limitClass');
  });

  it('is known for every value of the contract, and limits something', () => {
    for (const { number, localName } of RateLimitClassSchema.values) {
      const limitClass = ruleOf({ public: true, rateLimit: number as RateLimitClass })?.limitClass;
      expect(limitClass?.toUpperCase() ?? 'UNSPECIFIED').toBe(localName);
      if (limitClass === undefined) continue;
      const { address, account } = LIMIT_TABLE[limitClass];
      expect((address ?? account)?.limit).toBeGreaterThan(0);
    }
  });
});

describe('the services', () => {
  it('declare a rule for every method, and no other keys open validation', () => {
    const services = [AuthService, UserService];
    const closed = accessTable(services, { anonymousValidation: false });
    const open = accessTable(services, { anonymousValidation: true });
    const count = services.flatMap((service) => service.methods).length;
    expect(closed.size).toBe(count);
    const opened = [...open].filter(([method, rule]) => rule.mode !== closed.get(method)?.mode);
    expect(opened.map(([method]) => method.name)).toEqual(['ValidateToken', 'BatchValidateTokens']);
  });

  it('ask for a person wherever the call is about the account of one', () => {
    for (const [method, rule] of accessTable([UserService], { anonymousValidation: false }))
      expect([method.name, rule.mode === 'guarded' && rule.peopleOnly]).toEqual([method.name, true]);
  });

  it('are not served by a method that the table does not know', () => {
    const [method] = serviceThatDeclares({ public: true }).methods;
    const deps = pipeline(accessTable([UserService], { anonymousValidation: false }), undefined);
    expect(() => serveMethod(deps, method!, async () => create(EmptySchema))).toThrow('has no access rule');
  });
});

const NOW = 1_000_000_000;

function pipeline(table: ReturnType<typeof accessTable>, principal: Principal | undefined) {
  return {
    accessTable: table,
    authenticate: async () => principal ?? Promise.reject(new Error('nobody called')),
    clientAddress: () => '',
    cookieOrigins: new Set<string>(),
    accessRefusals: { note: () => undefined },
    rateLimiter: unlimited,
    clock: { now: () => NOW },
    logger: createLogger('silent'),
    maxCallMs: 1_000,
    activeCalls: new ActiveCalls(),
  };
}

function principalWho(authTime: number | undefined): Principal {
  return {
    subjectId: 'user-1',
    kind: 'user',
    role: 'user',
    scopes: [],
    sessionId: 'session-1',
    credential: 'access_token',
    credentialId: 'token-1',
    authTime,
    amr: ['pwd'],
    version: 1,
    expiresAt: undefined,
    isNetworkBound: false,
  };
}

describe('a greatest age of the login', () => {
  const service = serviceThatDeclares({ credentials: [ACCESS_TOKEN], maxAuthAge: durationFromMs(300_000) });
  const table = accessTable([service], { anonymousValidation: false });

  it.each<[number | undefined, string]>([
    [NOW, 'OK'],
    [NOW - 300_000, 'OK'],
    [NOW - 300_001, 'STEP_UP_REQUIRED'],
    [0, 'STEP_UP_REQUIRED'],
    [undefined, 'CREDENTIAL_NOT_ALLOWED'],
  ])('lets a login at %s end in %s', async (authTime, ending) => {
    let runs = 0;
    const serve = serveMethod(pipeline(table, principalWho(authTime)), service.methods[0]!, async () => {
      runs += 1;
      return create(EmptySchema);
    });
    const transport = {
      headerValues: () => [],
      takesCookies: false,
      timeoutMs: undefined,
      peerAddress: '',
      onCancelled: () => undefined,
    };
    const outcome = await serve(transport, () => ({ bytes: undefined, decode: () => create(EmptySchema) }));
    expect('error' in outcome ? outcome.error.reason : 'OK').toBe(ending);
    expect(runs).toBe(ending === 'OK' ? 1 : 0);
  });
});
