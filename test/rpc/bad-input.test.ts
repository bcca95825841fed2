// Breaks every field of every request, over every protocol: the answer names the field, is never our fault, and nothing is half-done.

import type { DescMethod, JsonObject } from '@bufbuild/protobuf';
import { fromJson } from '@bufbuild/protobuf';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AdminService } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import { firstAdministrator } from '../support/members.ts';
import { countRows } from '../support/row-counts.ts';
import { callMethod, nameOf, refusalOf, type Refusal } from '../support/rpc-calls.ts';
import {
  fieldsOf,
  isOutputOnly,
  sampleRequest,
  withValue,
  type RequestField,
} from '../support/request-samples.ts';
import { allScopes, issueApiKey } from '../support/forged-tokens.ts';
import {
  bearer,
  PROTOCOLS,
  signUp,
  startTestService,
  type Protocol,
  type TestService,
} from '../support/service.ts';

const METHODS: readonly DescMethod[] = [
  ...AuthService.methods,
  ...UserService.methods,
  // What is wrong with an item of an import is told of the item: see import-users.test.ts.
  ...AdminService.methods.filter(({ name }) => name !== 'ImportUsers'),
];

// What these hold is any text that may be a token; a text that is none is an answer there, not an error.
const VERDICTS = ['AuthService/ValidateToken', 'AuthService/BatchValidateTokens', 'AuthService/RevokeToken'];
const BY_KEY = [...VERDICTS, 'AuthService/ExchangeApiKey', 'AuthService/WatchRevocations'];
/** Ends whose request is well-formed though what it names does not exist. */
const HARMLESS = ['Unauthenticated', 'NotFound', 'FailedPrecondition'];

let service: TestService;
let headers: Record<string, string>;
let gateway: Record<string, string>;
let operator: Record<string, string>;
let before: Awaited<ReturnType<typeof countRows>>;

beforeAll(async () => {
  service = await startTestService();
  headers = { ...bearer((await signUp(service, 'victim')).accessToken).headers };
  operator = { ...(await firstAdministrator(service)).options.headers };
  gateway = { 'x-api-key': (await issueApiKey(service.app, allScopes(service.app))).text };
  before = await countRows(service);
});
afterAll(() => service.stop());
// A wrong password counts toward a lock, whose email and whose refusals would show in the next test.
afterEach(() => service.app.database.tables.deleteFrom('lockouts').execute());

function credentialsFor(method: DescMethod): Record<string, string> {
  if (method.parent === AdminService) return operator;
  return BY_KEY.includes(nameOf(method)) ? gateway : headers;
}

/** Calls with the field broken; the refusal, or undefined when the call ended well. */
async function breakField(
  protocol: Protocol,
  method: DescMethod,
  field: RequestField,
  value: unknown,
): Promise<Refusal | undefined> {
  const credentials = credentialsFor(method);
  const json = withValue(sampleRequest(method), field, value);
  // Through JSON so that one walk serves every message; what goes out is the protocol's own encoding.
  const message = fromJson(method.input, json as JsonObject);
  const call = callMethod(service.transport(protocol), method, credentials, message);
  return refusalOf(call).catch((error: unknown) => {
    if (error instanceof Error && error.message === 'the call was not refused') return undefined;
    throw error;
  });
}

/** Breaks every field of these kinds in every method; tells what was not refused as it should be. */
async function offences(
  protocol: Protocol,
  kinds: readonly RequestField['kind'][],
  value: unknown,
  isExempt: (method: DescMethod, field: RequestField) => boolean = () => false,
): Promise<string[]> {
  const found: string[] = [];
  let tried = 0;
  for (const method of METHODS) {
    for (const field of fieldsOf(method)) {
      if (!kinds.includes(field.kind) || isOutputOnly(method, field)) continue;
      tried += 1;
      const refusal = await breakField(protocol, method, field, value);
      const where = `${nameOf(method)} ${field.name}`;
      if (refusal === undefined) {
        if (!isExempt(method, field)) found.push(`${where} was taken`);
      } else if (refusal.code === 'InvalidArgument') {
        const names = refusal.fields.some((name) => name === field.name || name.startsWith(`${field.name}[`));
        if (!names || !['VALIDATION_FAILED', 'PASSWORD_POLICY'].includes(refusal.reason))
          found.push(`${where}: ${refusal.reason} names ${refusal.fields.join(' ')}`);
      } else if (!isExempt(method, field) || !HARMLESS.includes(refusal.code) || refusal.reason === '') {
        found.push(`${where}: ${refusal.code} ${refusal.reason}`);
      }
    }
  }
  expect(tried).toBeGreaterThan(0);
  // Passwords of any form are guesses, and tell their owner when they lock.
  await sql`delete from outbox_mails where letter ->> 'template' = 'account_locked'`.execute(
    service.app.database.tables,
  );
  expect(await countRows(service)).toEqual(before);
  return found;
}

const isToken = (_method: DescMethod, { name }: RequestField) => /(?:^|\.|_)token$/.test(name);
/** A password that may be older than the rules for new ones: no text is wrong but for its length. */
const isOldPassword = ({ name: method }: DescMethod, { name }: RequestField) =>
  (['Login', 'VerifyEmail', 'Reauthenticate'].includes(method) && name === 'password') ||
  name === 'proof.password' ||
  name === 'current_password';
/** A password that proves who calls, or is asked about: whatever cannot be one is wrong, and no more. */
const isProof = ({ name: method }: DescMethod, { name }: RequestField) =>
  (['Login', 'CheckPassword', 'VerifyEmail', 'Reauthenticate'].includes(method) && name === 'password') ||
  name === 'proof.password' ||
  name === 'current_password' ||
  // The token is looked at first, and the sample's is none.
  (method === 'ResetPassword' && name === 'new_password');
describe.each(PROTOCOLS)('over %s', (protocol) => {
  it.each([
    ['a hundred kilobytes of one letter', 'a'.repeat(100_000)],
    ['ninety kilobytes of combining marks', 'e\u0301'.repeat(30_000)],
    ['just more than any field takes', 'a'.repeat(16_385)],
  ])('every text field refuses %s', async (_what, value) => {
    expect(await offences(protocol, ['string'], value)).toEqual([]);
  });

  it.each([
    ['NUL', '\u0000'],
    ['a line feed', '\n'],
    ['an escape', '\u001B'],
    ['DEL', '\u007F'],
    ['a C1 control', '\u0085'],
  ])('every text field but an old password refuses %s', async (_what, character) => {
    const isExempt = (method: DescMethod, field: RequestField) =>
      isToken(method, field) || isOldPassword(method, field);
    expect(await offences(protocol, ['string'], `ab${character}cd@example.com`, isExempt)).toEqual([]);
  });

  it.each([
    ['a zero-width space', '\u200B'],
    ['a zero-width joiner', '\u200D'],
    ['a bidi override', '\u202E'],
    ['a bidi isolate', '\u2066'],
    ['a byte order mark', '\uFEFF'],
  ])('every text field but a password refuses %s', async (_what, character) => {
    const exempt = (method: DescMethod, field: RequestField) =>
      isToken(method, field) || isProof(method, field);
    const value = `ab${character}cd@example.com`;
    const found = await offences(protocol, ['string'], value, exempt);
    expect(found).toEqual([]);
  });

  it('every list of scopes refuses 10,000 of them', async () => {
    const scopes = Array.from({ length: 10_000 }, (_item, index) => `scope-${index}`);
    expect(await offences(protocol, ['strings'], scopes)).toEqual([]);
  });

  it.each([
    ['with a space', 'a b'],
    ['empty', ''],
    ['far too long', 'a'.repeat(100_000)],
    ['quoted', '"'],
  ])('every list of scopes refuses one %s', async (_what, scope) => {
    const isRequired = (_method: DescMethod, { name }: RequestField) => name.endsWith('required_scopes');
    expect(await offences(protocol, ['strings'], [scope], isRequired)).toEqual([]);
  });

  it('every page size is bounded', async () => {
    const isLong = ({ name }: DescMethod) => ['ListUsers', 'ListAuditEvents'].includes(name);
    expect(await offences(protocol, ['number'], 101, isLong)).toEqual([]);
    expect(await offences(protocol, ['number'], 1_001)).toEqual([]);
  });

  it.each([-1, -2_147_483_648, 2_147_483_647])('every page size refuses %i', async (size) => {
    expect(await offences(protocol, ['number'], size)).toEqual([]);
  });

  it.each([0, 1_001])('a batch of %i is refused', async (size) => {
    const requests = Array.from({ length: size }, () => ({ token: 'a' }));
    const call = service.auth(protocol).batchValidateTokens({ requests }, { headers: gateway });
    expect(await refusalOf(call)).toMatchObject({
      code: 'InvalidArgument',
      reason: 'VALIDATION_FAILED',
      fields: ['requests'],
    });
  });

  it('an item of a batch is named by its place', async () => {
    const requests = [{ token: 'a' }, { token: '' }, { token: 'b', audience: '\n' }];
    const call = service.auth(protocol).batchValidateTokens({ requests }, { headers: gateway });
    expect((await refusalOf(call)).fields).toEqual(['requests[1].token', 'requests[2].audience']);
  });

  it('every missing field is named at once', async () => {
    const fields = async (call: Promise<unknown>) => (await refusalOf(call)).fields.toSorted();
    const [auth, user] = [service.auth(protocol), service.user(protocol)];
    expect(await fields(auth.register({}))).toEqual(['email', 'full_name', 'password']);
    expect(await fields(auth.login({}))).toEqual(['identifier', 'password']);
    expect(await fields(auth.refreshToken({}))).toEqual(['refresh_token']);
    expect(await fields(auth.revokeToken({}))).toEqual(['token']);
    expect(await fields(auth.validateToken({}, { headers: gateway }))).toEqual(['token']);
    expect(await fields(user.revokeSession({}, { headers }))).toEqual(['session_id']);
    expect(await fields(user.createApiKey({}, { headers }))).toEqual(['display_name', 'scopes']);
    expect(await fields(user.rotateApiKey({}, { headers }))).toEqual(['api_key_id']);
    expect(await fields(user.revokeApiKey({}, { headers }))).toEqual(['api_key_id']);
  });

  it('every broken rule of the password is reported at once, and nothing is hashed', async () => {
    const refusal = await refusalOf(
      service.auth(protocol).register({ email: 'a@example.com', password: 'zqjvw', fullName: 'A' }),
    );
    expect(refusal).toMatchObject({ code: 'InvalidArgument', reason: 'PASSWORD_POLICY' });
    expect(refusal.fields).toEqual(['password', 'password', 'password', 'password']);
    expect(await countRows(service)).toEqual(before);
  });
});
