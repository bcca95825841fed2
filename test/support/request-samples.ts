// One good request for each RPC, for tests that break one field of it at a time.

import type { DescMessage, DescMethod } from '@bufbuild/protobuf';

/** A request as JSON, by lowerCamelCase names. */
export type JsonRequest = Readonly<Record<string, unknown>>;

/** A field of a request: where it stands in the JSON, what an answer calls it, and what it holds. */
export type RequestField = {
  readonly path: readonly string[];
  readonly name: string;
  /** The others of its oneof, of which a request has one. */
  readonly rivals: readonly string[];
  readonly kind: 'string' | 'strings' | 'number' | 'bool' | 'enum' | 'message' | 'messages' | 'other';
};

const TOKEN = 'sample-token';
const ID = '0198c0de-0000-7000-8000-000000000000';

const KEY = { id: ID, displayName: 'A', scopes: ['users:read'], allowedCidrs: ['192.0.2.0/24'] };

const SAMPLES: Readonly<Record<string, JsonRequest>> = {
  Register: {
    email: 'sample@example.com',
    username: 'sample',
    password: 'Correct-Horse-42-Staple!',
    fullName: 'A',
  },
  Login: { identifier: 'sample@example.com', password: 'Correct-Horse-42-Staple!', deviceName: 'A' },
  Reauthenticate: { password: 'Correct-Horse-42-Staple!' },
  RefreshToken: { refreshToken: TOKEN },
  Logout: {},
  LogoutAll: {},
  ValidateToken: { token: TOKEN },
  BatchValidateTokens: { requests: [{ token: TOKEN }] },
  WatchRevocations: {},
  RevokeToken: { token: TOKEN },
  GetJwks: {},
  RequestPasswordReset: { email: 'sample@example.com' },
  ResetPassword: { token: TOKEN, newPassword: 'Correct-Horse-42-Staple!' },
  SendEmailVerification: { email: 'sample@example.com' },
  VerifyEmail: { token: TOKEN },
  GetMe: {},
  StartEmailChange: { newEmail: 'sample@example.com', proof: { password: 'Correct-Horse-42-Staple!' } },
  ConfirmEmailChange: { token: TOKEN },
  CheckPassword: {
    password: 'Correct-Horse-42-Staple!',
    email: 'sample@example.com',
    username: 'sample',
    fullName: 'A',
  },
  UpdateMe: { user: { username: 'sample', fullName: 'A' }, updateMask: 'username,fullName' },
  DeleteMe: { proof: { password: 'Correct-Horse-42-Staple!' } },
  ExportMe: {},
  ChangePassword: {
    currentPassword: 'Correct-Horse-42-Staple!',
    newPassword: 'Correct-Horse-43-Staple!',
  },
  ListSessions: { pageSize: 10 },
  RevokeSession: { sessionId: ID },
  ExchangeApiKey: { scopes: ['account:read'] },
  CreateApiKey: { displayName: 'A', scopes: ['account:read'], allowedCidrs: ['192.0.2.0/24'] },
  ListApiKeys: { pageSize: 10 },
  RotateApiKey: { apiKeyId: ID, overlap: '60s' },
  RevokeApiKey: { apiKeyId: ID },
  UpdateApiKey: { apiKey: KEY, updateMask: 'displayName,scopes,allowedCidrs' },
  ListSecurityEvents: { pageSize: 10 },
  EnrollTotp: { proof: { password: 'Correct-Horse-42-Staple!' } },
  ConfirmTotp: { code: '123456' },
  DisableTotp: { proof: { password: 'Correct-Horse-42-Staple!' } },
  RegenerateBackupCodes: { proof: { password: 'Correct-Horse-42-Staple!' } },
  CreateUser: { email: 'sample@example.com', username: 'sample', fullName: 'A', role: 'user' },
  GetUser: { userId: ID },
  ListUsers: { pageSize: 10, query: 'sample', filters: { roles: ['user'] } },
  UpdateUser: {
    userId: ID,
    user: { username: 'sample', fullName: 'A', email: 'sample@example.com' },
    updateMask: 'username,fullName,email',
  },
  DeleteUser: { userId: ID },
  ImportUsers: { users: [{ externalId: 'A', email: 'sample@example.com' }] },
  SetUserRole: { userId: ID, role: 'moderator' },
  SuspendUser: { userId: ID, reason: 'A' },
  ReactivateUser: { userId: ID, reason: 'A' },
  UnlockUser: { userId: ID },
  ForcePasswordReset: { userId: ID, reason: 'A' },
  ResetUserMfa: { userId: ID, reason: 'A' },
  ListUserSessions: { userId: ID, pageSize: 10 },
  RevokeUserSessions: { userId: ID, sessionId: ID },
  CreateServiceAccount: { name: 'sample', scopes: ['users:read'] },
  ListServiceAccounts: { pageSize: 10 },
  CreateServiceApiKey: { serviceAccountId: ID, displayName: 'A', scopes: ['users:read'] },
  RevokeServiceApiKey: { apiKeyId: ID },
  DeleteServiceAccount: { serviceAccountId: ID },
  RotateServiceApiKey: { apiKeyId: ID, overlap: '60s' },
  UpdateServiceApiKey: { apiKey: KEY, updateMask: 'displayName,scopes,allowedCidrs' },
  ListRoles: {},
  UpsertRole: { role: { name: 'sample', inherits: 'user', scopes: ['orders:read'] } },
  DeleteRole: { name: 'sample' },
  ListAuditEvents: { pageSize: 10, filter: { kinds: ['session.login'] } },
  WatchAuditEvents: {},
  GetStats: {},
  ListSigningKeys: {},
  RotateSigningKey: {},
  VerifyMfa: { mfaToken: TOKEN, totpCode: '123456' },
};

/** A request that breaks no rule of `method`. Errors: Error when a new RPC has none here yet. */
export function sampleRequest(method: DescMethod): JsonRequest {
  const sample = SAMPLES[method.name];
  if (sample === undefined) throw new Error(`put a good request of ${method.name} into request-samples.ts`);
  return sample;
}

/** Every field of the request of `method`, also those of messages in it; the first item stands for a list of messages. */
export function fieldsOf(method: DescMethod): readonly RequestField[] {
  return walk(method.input, [], '');
}

/** Whether the server alone sets the field: it is ignored in whatever form it comes (AIP-203). */
export function isOutputOnly(method: DescMethod, { name }: RequestField): boolean {
  const settable = SETTABLE[method.name];
  return settable !== undefined && /^(?:user|role|api_key)\./.test(name) && !settable.includes(name);
}

const KEY_FIELDS = [
  'api_key.id',
  'api_key.display_name',
  'api_key.scopes',
  'api_key.allowed_cidrs',
  'api_key.expire_time',
];

const SETTABLE: Readonly<Record<string, readonly string[]>> = {
  UpdateApiKey: KEY_FIELDS,
  UpdateServiceApiKey: KEY_FIELDS,
  UpdateMe: ['user.username', 'user.full_name'],
  UpsertRole: ['role.name', 'role.inherits', 'role.scopes'],
  UpdateUser: ['user.email', 'user.username', 'user.full_name', 'user.email_verified'],
};

function walk(message: DescMessage, path: readonly string[], prefix: string): RequestField[] {
  return message.fields.flatMap((field) => {
    const here = [...path, field.jsonName];
    const name = prefix + field.name;
    const others = field.oneof?.fields.filter((other) => other !== field) ?? [];
    const self = { path: here, name, rivals: others.map(({ jsonName }) => jsonName), kind: kindOf(field) };
    if (field.message === undefined || field.message.typeName.startsWith('google.')) return [self];
    const isList = field.fieldKind === 'list';
    return [
      self,
      ...walk(field.message, isList ? [...here, '0'] : here, isList ? `${name}[0].` : `${name}.`),
    ];
  });
}

function kindOf(field: DescMessage['fields'][number]): RequestField['kind'] {
  if (field.fieldKind === 'list') {
    if (field.listKind === 'message') return 'messages';
    return field.listKind === 'scalar' ? 'strings' : 'other';
  }
  if (field.fieldKind === 'enum') return 'enum';
  if (field.fieldKind === 'message') return 'message';
  if (field.fieldKind === 'map') return 'other';
  const scalar = JSON_TYPES[field.scalar];
  return scalar ?? 'number';
}

// ScalarType: BOOL, STRING, BYTES.
const JSON_TYPES: Readonly<Record<number, RequestField['kind']>> = { 8: 'bool', 9: 'string', 12: 'other' };

/** The request with another value in `field`, which it has then in the place of any other of its oneof. */
export function withValue(
  request: JsonRequest,
  { path, rivals }: Pick<RequestField, 'path' | 'rivals'>,
  value: unknown,
): JsonRequest {
  return replace(request, path, rivals, value) as JsonRequest;
}

function replace(
  node: unknown,
  [key, ...rest]: readonly string[],
  rivals: readonly string[],
  value: unknown,
): unknown {
  if (key === undefined) return value;
  if (Array.isArray(node)) {
    return node.map((item: unknown, index) =>
      String(index) === key ? replace(item, rest, rivals, value) : item,
    );
  }
  const children = Object.entries((node ?? {}) as Readonly<Record<string, unknown>>);
  const kept = Object.fromEntries(children.filter(([name]) => rest.length > 0 || !rivals.includes(name)));
  return { ...kept, [key]: replace(kept[key], rest, rivals, value) };
}
