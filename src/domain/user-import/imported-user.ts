// An account of another system as a caller sends it, and the rules for importing it.

import type { ErrorReason, FieldViolation } from '../errors.ts';
import type { AddressParser, EmailAddress } from '../account/email-address.ts';
import { emailAddress } from '../account/email-address.ts';
import { DEFAULT_ROLE } from '../account/register.ts';
import type { Username } from '../account/username.ts';
import { username } from '../account/username.ts';
import { Violations } from '../text.ts';
import type { ReadImportedHash } from './imported-hash.ts';
import type { MayGive } from './roles-to-give.ts';

/** An account as another system exported it, unchecked. Empty texts and undefined times are absent. */
export type ImportedUser = {
  readonly externalId: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly username: string;
  readonly fullName: string;
  readonly role: string;
  readonly suspended: boolean;
  readonly passwordHash: string;
  /** Epoch milliseconds; not a number for a time that is none. */
  readonly createTime: number | undefined;
  readonly lastLoginTime: number | undefined;
};

/** An account that keeps every rule, before it is known whether another account has its names already. */
export type CheckedUser = {
  readonly externalId: string;
  readonly email: EmailAddress;
  readonly emailVerified: boolean;
  readonly username: Username | undefined;
  readonly fullName: string;
  readonly role: string;
  readonly suspended: boolean;
  readonly passwordHash: string | undefined;
  readonly createTime: number;
  readonly lastLoginTime: number | undefined;
};

/** Why an account does not come in: the first reason, and every rule that it breaks. */
export type ImportRefusal = {
  readonly reason: ErrorReason;
  readonly violations: readonly FieldViolation[];
};

/** What accounts are checked by. */
export type ImportRules = {
  readonly parseAddress: AddressParser;
  readonly readImportedHash: ReadImportedHash;
  readonly mayGive: MayGive;
  readonly now: number;
};

/** Checks one account by itself. */
export function checkImportedUser(rules: ImportRules, given: ImportedUser): CheckedUser | ImportRefusal {
  const fields = new Violations();
  const email = readEmail(rules, fields, given.email);
  const fullName = fields.text(given.fullName, { field: 'full_name', max: 200, name: true });
  const user: CheckedUser = {
    externalId: fields.text(given.externalId, { field: 'external_id', min: 1, max: 200 }),
    email,
    emailVerified: given.emailVerified,
    username: readUsername(fields, given.username),
    fullName: fullName === '' ? email.text.slice(0, email.text.indexOf('@')) : fullName,
    role: given.role === '' ? DEFAULT_ROLE : given.role,
    suspended: given.suspended,
    passwordHash: readHash(rules, fields, given.passwordHash),
    createTime: readTime(rules, fields, 'create_time', given.createTime) ?? rules.now,
    lastLoginTime: readTime(rules, fields, 'last_login_time', given.lastLoginTime),
  };
  const roleRefusal = rules.mayGive(user.role);
  if (roleRefusal !== undefined) fields.add('role', roleRefusal.description);
  if (fields.list.length === 0) return user;
  const isRoleAlone = roleRefusal !== undefined && fields.list.length === 1;
  return { reason: isRoleAlone ? roleRefusal.reason : 'VALIDATION_FAILED', violations: fields.list };
}

function readEmail({ parseAddress }: ImportRules, fields: Violations, raw: string): EmailAddress {
  const read = emailAddress(parseAddress, 'email', raw);
  if ('address' in read) return read.address;
  fields.list.push(read.violation);
  return { text: '', key: '' };
}

function readUsername(fields: Violations, raw: string): Username | undefined {
  if (raw === '') return undefined;
  const read = username('username', raw);
  if ('username' in read) return read.username;
  fields.list.push(read.violation);
  return undefined;
}

function readHash({ readImportedHash }: ImportRules, fields: Violations, raw: string): string | undefined {
  const read = readImportedHash(raw);
  if ('hash' in read) return read.hash;
  fields.add('password_hash', read.refusal);
  return undefined;
}

function readTime(
  { now }: ImportRules,
  fields: Violations,
  field: string,
  raw: number | undefined,
): number | undefined {
  if (raw === undefined || (raw >= 0 && raw <= now)) return raw;
  fields.add(
    field,
    Number.isNaN(raw)
      ? 'must be a time of RFC 3339, like 2024-05-06T07:08:09Z'
      : 'must be a time from 1970 on that is not in the future',
  );
  return undefined;
}
