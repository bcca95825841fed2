// Sends what is no request at all: truncated and random bytes, wrong JSON, too much of it. Nothing of it is our fault, or leaves a trace.

import type { DescMethod } from '@bufbuild/protobuf';
import { assert, asyncProperty, uint8Array } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminService } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import { allScopes, issueApiKey } from '../support/forged-tokens.ts';
import { frame, jsonCall, overGrpcWeb, rawCall, type RawAnswer } from '../support/raw-calls.ts';
import {
  fieldsOf,
  isOutputOnly,
  sampleRequest,
  withValue,
  type RequestField,
} from '../support/request-samples.ts';
import { firstAdministrator } from '../support/members.ts';
import { countRows } from '../support/row-counts.ts';
import { nameOf } from '../support/rpc-calls.ts';
import { bearer, PROTOCOLS, signUp, startTestService, type TestService } from '../support/service.ts';

const METHODS: readonly DescMethod[] = [
  ...AuthService.methods,
  ...UserService.methods,
  ...AdminService.methods,
];
const TRUNCATED = Buffer.from([0x0a, 0x05, 0x61]);
const MAX_BYTES = 65_536;
/** Would end the session that the other tests call with; their requests have no fields to break. */
const ENDS_SESSION = ['AuthService/Logout', 'AuthService/LogoutAll', 'UserService/DeleteMe'];
/** Do something that is written down, whatever their request holds: it has no fields that must be there. */
const ACTS = [
  'AuthService/ExchangeApiKey',
  'UserService/EnrollTotp',
  'UserService/DisableTotp',
  'UserService/RegenerateBackupCodes',
  'UserService/ExportMe',
  'AdminService/ImportUsers',
  'AdminService/RotateSigningKey',
];
/** Ask for no field. */
const FREE = [
  'GetJwks',
  'GetMe',
  'ListSessions',
  'UpdateMe',
  'ListApiKeys',
  'ListSecurityEvents',
  'WatchRevocations',
  'ListUsers',
  'ImportUsers',
  'ListServiceAccounts',
  'ListRoles',
  'ListAuditEvents',
  'WatchAuditEvents',
  'GetStats',
  'ListSigningKeys',
  'RotateSigningKey',
];
/** Take an API key. */
const KEYED = ['ValidateToken', 'BatchValidateTokens', 'WatchRevocations', 'ExchangeApiKey'];

let service: TestService;
let token: string;
let apiKey: string;
let operator: string;
let before: Awaited<ReturnType<typeof countRows>>;

beforeAll(async () => {
  service = await startTestService({ variables: { MAX_MESSAGE_BYTES: String(MAX_BYTES) } });
  token = (await signUp(service, 'victim')).accessToken;
  operator = (await firstAdministrator(service)).accessToken;
  apiKey = (await issueApiKey(service.app, allScopes(service.app))).text;
  before = await countRows(service);
});
afterAll(() => service.stop());

function credentialsFor(method: DescMethod): Record<string, string> {
  if (method.parent === AdminService) return { ...bearer(operator).headers };
  const takesKey = KEYED.includes(method.name);
  return takesKey ? { 'x-api-key': apiKey } : { ...bearer(token).headers };
}

async function endOfEach(call: (method: DescMethod) => Promise<RawAnswer>): Promise<Record<string, string>> {
  const ends: Record<string, string> = {};
  for (const method of METHODS) {
    const { code, reason } = await call(method);
    ends[nameOf(method)] = `${code} ${reason}`.trim();
  }
  expect(await countRows(service)).toEqual(before);
  return ends;
}

const allBy = (end: string) => Object.fromEntries(METHODS.map((method) => [nameOf(method), end]));

describe('over gRPC', () => {
  it('a truncated message is refused by every method', async () => {
    const ends = await endOfEach((method) =>
      rawCall(service, 'grpc', method, TRUNCATED, credentialsFor(method)),
    );
    expect(ends).toEqual(allBy('InvalidArgument VALIDATION_FAILED'));
  });

  it('a message is not even read before the caller has been admitted', async () => {
    const { code, reason } = await rawCall(service, 'grpc', UserService.method.getMe, TRUNCATED);
    expect(`${code} ${reason}`).toBe('Unauthenticated TOKEN_MISSING');
  });

  it('random bytes are never our fault', async () => {
    const methods = METHODS.filter((method) => ![...ENDS_SESSION, ...ACTS].includes(nameOf(method)));
    const property = asyncProperty(uint8Array({ maxLength: 200 }), async (bytes) => {
      for (const method of methods) {
        const { code } = await rawCall(service, 'grpc', method, bytes, credentialsFor(method));
        expect(['OK', 'InvalidArgument', 'Unauthenticated', 'NotFound']).toContain(code);
      }
    });
    await assert(property, { numRuns: 15 });
    expect(await countRows(service)).toEqual(before);
  });
});

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('an over-sized message is refused by every method', async () => {
    const ends = await endOfEach((method) =>
      rawCall(service, protocol, method, Buffer.alloc(MAX_BYTES + 1), credentialsFor(method)),
    );
    expect(ends).toEqual(allBy('ResourceExhausted'));
  });

  it('an empty body is a message without fields', async () => {
    const methods = METHODS.filter((method) => ![...ENDS_SESSION, ...ACTS].includes(nameOf(method)));
    for (const method of methods) {
      const { code, reason } = await rawCall(
        service,
        protocol,
        method,
        Buffer.alloc(0),
        credentialsFor(method),
      );
      const isFree = FREE.includes(method.name);
      expect(`${nameOf(method)} ${code} ${reason}`.trim()).toBe(
        `${nameOf(method)} ${isFree ? 'OK' : 'InvalidArgument VALIDATION_FAILED'}`,
      );
    }
    expect(await countRows(service)).toEqual(before);
  });
});

describe('over gRPC-Web', () => {
  it('a broken frame is refused', async () => {
    const { login } = AuthService.method;
    for (const body of [
      frame(Buffer.from([1]), 10),
      frame(Buffer.alloc(0), 0xffff_ffff),
      Buffer.from([0, 0]),
    ]) {
      const { code } = await overGrpcWeb(service, login, body);
      expect(['InvalidArgument', 'ResourceExhausted']).toContain(code);
    }
  });
});

describe('over Connect with JSON', () => {
  const wrong: Readonly<Record<RequestField['kind'], readonly string[]>> = {
    string: ['1', 'true', '{}', '[]', '"\\ud800"', '"\\udc00a"', '"a\\ud800"'],
    strings: ['"a"', '{}', '[1]', '[null]', '[["a"]]', '["\\ud800"]'],
    number: ['"x"', '1.5', '2147483648', 'true', '{}', '[]'],
    bool: ['"yes"', '1', '{}'],
    enum: ['"NO_SUCH_VALUE"', '1.5', '{}'],
    message: ['1', '"x"', '[]'],
    messages: ['1', '{}', '[1]', '[null]'],
    other: ['{}'],
  };

  it('a value of the wrong type is refused in every field of every method', async () => {
    const offences: string[] = [];
    for (const method of METHODS) {
      for (const field of fieldsOf(method)) {
        if (isOutputOnly(method, field)) continue;
        for (const value of wrong[field.kind]) {
          const marked = JSON.stringify(withValue(sampleRequest(method), field, '@@'));
          const text = marked.replace('"@@"', () => value);
          const { code } = await jsonCall(service, method, text, credentialsFor(method));
          if (code !== 'InvalidArgument') offences.push(`${nameOf(method)} ${field.name}=${value}: ${code}`);
        }
      }
    }
    expect(offences).toEqual([]);
    expect(await countRows(service)).toEqual(before);
  });

  const { updateUser, listUsers } = AdminService.method;
  const { createApiKey } = UserService.method;
  it.each<[DescMethod, string, string, string]>([
    [updateUser, '{"user":{"fullName":"A"},"updateMask":"full_name"}', 'update_mask', 'fullName,email'],
    [updateUser, '{"updateMask":{"paths":["fullName"]}}', 'update_mask', 'fullName,email'],
    [updateUser, '{"user":{"full_name":1}}', 'user.full_name', 'wrong type'],
    [listUsers, '{"filters":{"create_time_start":"yesterday"}}', 'filters.create_time_start', '2026-01-31T'],
    [
      listUsers,
      '{"filters":{"create_time_start":"2030-02-30T00:00:00Z"}}',
      'filters.create_time_start',
      '2026-01-31T',
    ],
    [
      listUsers,
      '{"filters":{"createTimeEnd":"2030-01-01T24:00:00Z"}}',
      'filters.create_time_end',
      '2026-01-31T',
    ],
    [createApiKey, '{"expireTime":"2031-04-31T00:00:00Z"}', 'expire_time', '2026-01-31T'],
    [listUsers, '{"filters":{"statuses":["NO_SUCH"]}}', 'filters.statuses', 'wrong type'],
    [listUsers, '{"filters":[]}', 'filters', 'wrong type'],
  ])('%s is told where in %s the fault is, and what goes there', async (method, text, field, rule) => {
    const { code, body } = await jsonCall(service, method, text, credentialsFor(method));
    expect(code).toBe('InvalidArgument');
    expect(body.toString()).toMatch(new RegExp(`${field}: .*${rule}`));
  });

  it.each(['', '{', 'null', '[]', '"text"', '5', 'true', '{"a":}', '\u0000', '{"identifier":"a"'])(
    'every method refuses %j as a body',
    async (text) => {
      const ends = await endOfEach((method) => jsonCall(service, method, text, credentialsFor(method)));
      expect(ends).toEqual(allBy('InvalidArgument VALIDATION_FAILED'));
    },
  );

  it('deep nesting is refused, or skipped where it stands in an unknown field', async () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const answers = await Promise.all([
      jsonCall(service, AuthService.method.login, deep),
      jsonCall(service, AuthService.method.login, `{"unknown":${deep}}`),
      jsonCall(service, AuthService.method.login, `{"identifier":${deep}}`),
    ]);
    expect(answers.map(({ code }) => code)).toEqual(answers.map(() => 'InvalidArgument'));
  });
});

describe.each(['grpc-web', 'connect'] as const)('over %s', (protocol) => {
  it('a message that cannot be read is the fault of its sender, not ours', async () => {
    const { code, reason } = await rawCall(service, protocol, AuthService.method.login, TRUNCATED);
    expect(`${code} ${reason}`).toBe('InvalidArgument VALIDATION_FAILED');
  });

  it('access is decided before the message is read', async () => {
    const { code, reason } = await rawCall(service, protocol, UserService.method.getMe, TRUNCATED);
    expect(`${code} ${reason}`).toBe('Unauthenticated TOKEN_MISSING');
  });
});
