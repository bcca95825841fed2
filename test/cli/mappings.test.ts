// What the fields of other systems are here, beyond what the samples show.

import { describe, expect, it } from 'vitest';
import { fromAuth0 } from '../../src/cli/import/from-auth0.ts';
import { fromFirebase, readHashConfig } from '../../src/cli/import/from-firebase.ts';
import { fromKeycloak } from '../../src/cli/import/from-keycloak.ts';
import { fromLatchkey } from '../../src/cli/import/from-latchkey.ts';
import { fromSupabase } from '../../src/cli/import/from-supabase.ts';
import type { ReadUser } from '../../src/cli/import/mapping.ts';

function userBy(read: ReadUser, json: unknown) {
  const found = read(json);
  if ('violations' in found) throw new Error(JSON.stringify(found.violations));
  return found.user;
}

function fieldsRefused(read: ReadUser, json: unknown): readonly string[] {
  const found = read(json);
  return 'violations' in found ? found.violations.map(({ field }) => field) : [];
}

const ALL = [fromLatchkey, fromKeycloak, fromAuth0, fromFirebase(undefined), fromSupabase];

it.each(ALL)('what is no object of theirs is refused (%#)', (read) => {
  for (const json of [null, 1, 'x', [], true]) expect(read(json)).toHaveProperty('violations');
});

describe('our own form', () => {
  it('has its fields in either spelling, and null for absent', () => {
    const named = {
      externalId: 'a',
      email: 'a@example.com',
      fullName: 'A',
      createTime: '2020-01-01T00:00:00Z',
    };
    const snake = {
      external_id: 'a',
      email: 'a@example.com',
      full_name: 'A',
      create_time: '2020-01-01T00:00:00Z',
    };
    expect(userBy(fromLatchkey, named)).toEqual(
      userBy(fromLatchkey, { ...snake, role: null, suspended: null }),
    );
    expect(userBy(fromLatchkey, named)).toMatchObject({ createTime: Date.UTC(2020, 0, 1), role: '' });
  });
  it('refuses what it does not know', () => {
    expect(fromLatchkey({ externalId: 'a', email: 'b', pasword: 'c' })).toEqual({
      externalId: 'a',
      violations: [{ field: 'pasword', description: 'is no field that there is' }],
    });
    expect(fromLatchkey({ external_id: 'a', email: null, suspended: 'yes' })).toEqual({
      externalId: 'a',
      violations: [
        { field: 'email', description: 'must be a text' },
        { field: 'suspended', description: 'must be true or false' },
      ],
    });
    expect(fromLatchkey({ externalId: true })).toEqual({
      externalId: '',
      violations: [
        { field: 'externalId', description: 'must be a text or a whole number below 2^53' },
        { field: 'email', description: 'is required' },
      ],
    });
  });
  it('refuses a field that is there in both spellings', () => {
    expect(fieldsRefused(fromLatchkey, { externalId: 'a', external_id: 'b', email: 'c' })).toEqual([
      'external_id',
    ]);
  });
  it.each([
    'soon',
    '5',
    '06/05/2024',
    '2024-05-06',
    '2024-05-06 07:08:09',
    '2024-02-30T00:00:00Z',
    'infinity',
  ])('leaves a time that is none for the check: %s', (createTime) => {
    expect(userBy(fromLatchkey, { externalId: 'a', email: 'b', createTime }).createTime).toBeNaN();
  });
  it('takes whole numbers as external ids, and none that JSON has rounded', () => {
    expect(userBy(fromLatchkey, { externalId: 41, email: 'b' }).externalId).toBe('41');
    expect(userBy(fromLatchkey, { external_id: 0, email: 'b' }).externalId).toBe('0');
    for (const id of ['1.5', '9007199254740993', '-9007199254740993', '1e400'])
      expect(fieldsRefused(fromLatchkey, JSON.parse(`{"externalId":${id},"email":"b"}`))).toEqual([
        'externalId',
      ]);
    // A refused line is reported with its owner too.
    expect(fromLatchkey({ externalId: 7, email: 1 })).toMatchObject({ externalId: '7' });
  });
});

describe('Keycloak', () => {
  const credential = (algorithm: string) => ({
    type: 'password',
    secretData: JSON.stringify({ value: 'a2V5', salt: 'c2FsdA==' }),
    credentialData: JSON.stringify({ algorithm, hashIterations: 5, additionalParameters: {} }),
  });
  const hashOf = (...credentials: readonly unknown[]) =>
    userBy(fromKeycloak, { id: 'a', credentials }).passwordHash;
  it('names an algorithm that is none of ours, for the check to refuse', () => {
    expect(hashOf(credential('hmac-md5'))).toBe('hmac-md5');
    expect(hashOf(credential('pbkdf2-md5'))).toBe('pbkdf2-md5');
  });
  it('takes the password among other credentials', () => {
    expect(hashOf({ type: 'otp' }, credential('pbkdf2'))).toBe('$pbkdf2$i=5,l=3$c2FsdA$a2V5');
    expect(hashOf(credential('argon2'))).toBe('$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$a2V5');
  });
  it('refuses the accounts of services, and credentials that it cannot read', () => {
    expect(fieldsRefused(fromKeycloak, { id: 'a', serviceAccountClientId: 'b' })).toEqual([
      'serviceAccountClientId',
    ]);
    const broken = [{ type: 'password', secretData: '{', credentialData: '{}' }];
    expect(fieldsRefused(fromKeycloak, { id: 'a', credentials: broken })).toEqual(['credentials']);
  });
  it('treats an account without `enabled` as disabled, as Keycloak does', () => {
    const suspended = (enabled?: boolean | null) => userBy(fromKeycloak, { id: 'a', enabled }).suspended;
    expect([suspended(true), suspended(false), suspended(null), suspended()]).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });
  it('leaves out a user name that is none here', () => {
    expect(userBy(fromKeycloak, { id: 'a', username: 'a@example.com' }).username).toBe('');
    expect(userBy(fromKeycloak, { id: 'a', username: 'ada' }).username).toBe('ada');
  });
});

describe('Auth0', () => {
  it('refuses the export of hashes alone, which does not say who is blocked', () => {
    const hashes = { _id: { $oid: '5f' }, email: 'a@example.com', passwordHash: '$2b$10$x' };
    expect(fieldsRefused(fromAuth0, hashes)).toEqual(['user_id']);
    expect(fieldsRefused(fromAuth0, {})).toEqual(['user_id']);
    expect(userBy(fromAuth0, { user_id: 'auth0|5f', ...hashes, blocked: true })).toMatchObject({
      externalId: 'auth0|5f',
      passwordHash: '$2b$10$x',
      suspended: true,
    });
  });
  it('lets no empty field hide a later one', () => {
    const hashes = { passwordHash: '', password_hash: '$2b$10$x' };
    expect(userBy(fromAuth0, { user_id: 'a', ...hashes }).passwordHash).toBe('$2b$10$x');
  });
  it('names a custom hash that is none of ours, for the check to refuse', () => {
    const custom = { algorithm: 'md5', hash: { value: '5f4dcc3b5aa765d61d8327deb882cf99' } };
    expect(userBy(fromAuth0, { user_id: 'a', custom_password_hash: custom }).passwordHash).toBe('md5');
  });
  it('reads times in either form', () => {
    expect(
      userBy(fromAuth0, { user_id: 'a', created_at: { $date: '2020-01-01T00:00:00Z' } }).createTime,
    ).toBe(userBy(fromAuth0, { user_id: 'a', created_at: '2020-01-01T00:00:00Z' }).createTime);
  });
});

describe('Firebase', () => {
  const TEXT =
    'hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: YS1i_w==,\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}';
  const JSON_TEXT =
    '{"base64_signer_key":"YS1i/w==","base64_salt_separator":"Bw==","rounds":8,"mem_cost":14}';
  it('reads the parameters as the console shows them, and as JSON', () => {
    expect(readHashConfig(TEXT)).toEqual(readHashConfig(JSON_TEXT));
    expect(readHashConfig(TEXT).base64_signer_key).toBe('YS1i/w==');
  });
  it('says which parameter is missing or wrong, and not what it is', () => {
    const change = (from: string, to: string) => () => readHashConfig(TEXT.replace(from, to));
    expect(change('rounds: 8', '')).toThrow(/rounds/);
    expect(change('mem_cost: 14', 'mem_cost: many')).toThrow(/mem_cost/);
    expect(change('YS1i_w==', 'my$ecret')).toThrow(/^(?!.*ecret).*base64_signer_key/);
  });
  it('refuses a hash without parameters, and no other account', () => {
    const read = fromFirebase(undefined);
    expect(fieldsRefused(read, { localId: 'a', passwordHash: 'YQ==' })).toEqual(['passwordHash']);
    expect(userBy(read, { localId: 'a', email: 'a@example.com', createdAt: '1580000000000' })).toMatchObject({
      passwordHash: '',
      createTime: 1_580_000_000_000,
    });
  });
});

describe('Firebase times', () => {
  it.each(['', null])('%j is none', (createdAt) => {
    expect(userBy(fromFirebase(undefined), { localId: 'a', createdAt }).createTime).toBeUndefined();
  });
  it.each(['0x10', '1e3', 'Infinity', ' 5', '-1', '1.5', '2024-01-01T00:00:00Z'])(
    '%s is refused',
    (createdAt) => {
      expect(userBy(fromFirebase(undefined), { localId: 'a', createdAt }).createTime).toBeNaN();
    },
  );
});

describe('Supabase', () => {
  it('refuses accounts that were deleted there', () => {
    expect(fieldsRefused(fromSupabase, { id: 'a', deleted_at: '2024-01-01T00:00:00Z' })).toEqual([
      'deleted_at',
    ]);
  });
  it('lets in again whose ban has passed', () => {
    const suspended = (until: string | null) =>
      userBy(fromSupabase, { id: 'a', banned_until: until }).suspended;
    expect([
      suspended(null),
      suspended('2001-01-01T00:00:00+00:00'),
      suspended('2999-01-01T00:00:00+00:00'),
      suspended('infinity'),
      suspended('-infinity'),
      suspended('10000-01-01T08:59:59.999+09:00'),
      suspended('2999-01-01 00:00:00.5+00'),
      suspended(''),
    ]).toEqual([false, false, true, true, false, true, true, false]);
  });
  it.each(['tomorrow', '2999-02-30T00:00:00+00:00', '2999-01-01', '9e99', '32503680000'])(
    'refuses whom a ban binds that cannot be read: %s',
    (until) => {
      expect(fieldsRefused(fromSupabase, { id: 'a', banned_until: until })).toEqual(['banned_until']);
      expect(fieldsRefused(fromSupabase, { id: 'a', email_confirmed_at: until })).toEqual([
        'email_confirmed_at',
      ]);
    },
  );
  it('takes a name that is a text, and no other', () => {
    const name = (data: unknown) => userBy(fromSupabase, { id: 'a', raw_user_meta_data: data }).fullName;
    expect([name({ full_name: ' ', name: 'A' }), name({ full_name: '', name: 'A' })]).toEqual(['A', 'A']);
    expect([name({ full_name: 5, name: 'A' }), name({ full_name: 'B', name: 'A' }), name(null)]).toEqual([
      'A',
      'B',
      '',
    ]);
  });
});
