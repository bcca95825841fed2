// Reading requests: what every handler needs to turn fields into checked values.

import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';
import type { EmailAddress } from '../../domain/account/email-address.ts';
import { emailAddress } from '../../domain/account/email-address.ts';
import type { AddressParser } from '../../domain/account/email-address.ts';
import type { PasswordRules } from '../../domain/password/acceptable-password.ts';
import { policyBroken } from '../../domain/password/acceptable-password.ts';
import type { PasswordOwner } from '../../domain/password/password-policy.ts';
import {
  passwordViolations,
  readCurrentPassword,
  readPassword,
} from '../../domain/password/password-policy.ts';
import type { Username } from '../../domain/account/username.ts';
import { username } from '../../domain/account/username.ts';
import type { FieldViolation } from '../../domain/errors.ts';
import { validationFailed } from '../../domain/errors.ts';
import { Violations } from '../../domain/text.ts';

/** The longest text that could be a token of any kind. */
export const MAX_TOKEN_LENGTH = 16_384;

const NO_OWNER: PasswordOwner = { email: '', username: undefined, fullName: '' };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

// The times that a Timestamp may hold: the years 1 to 9999.
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;
const isFraction = (nanos: number) => nanos >= 0 && nanos < 1_000_000_000;

/** Collects the violations of one request. */
export class RequestReader extends Violations {
  /** Errors: VALIDATION_FAILED for all the violations noted so far, or PASSWORD_POLICY when no others were. */
  finish(): void {
    if (this.list.length === 0) return;
    const isPolicyAlone = this.list.every(({ reason }) => reason === 'PASSWORD_POLICY');
    throw isPolicyAlone ? policyBroken(this.list) : validationFailed(this.list);
  }

  email(parse: AddressParser, field: string, raw: string): EmailAddress {
    const read = emailAddress(parse, field, raw);
    if ('address' in read) return read.address;
    this.list.push(read.violation);
    return { text: '', key: '' };
  }

  /** Undefined when the field is empty. */
  optionalUsername(field: string, raw: string): Username | undefined {
    if (raw === '') return undefined;
    const read = username(field, raw);
    if ('username' in read) return read.username;
    this.list.push(read.violation);
    return undefined;
  }

  /** One that is chosen now, in NFC. */
  newPassword(field: string, raw: string): string {
    return this.#read(readPassword(field, raw));
  }

  /** One that the caller shows to know, as it stands: it may break every rule for new ones. */
  currentPassword(field: string, raw: string): string {
    return this.#read(readCurrentPassword(field, raw));
  }

  #read(read: { text: string } | { violation: FieldViolation }): string {
    if ('text' in read) return read.text;
    this.list.push(read.violation);
    return '';
  }

  /** One that is chosen now, by the policy too: notes every rule that it breaks. `owner` is what is known of its owner yet. */
  chosenPassword(rules: PasswordRules, field: string, raw: string, owner: PasswordOwner = NO_OWNER): string {
    const text = this.newPassword(field, raw);
    if (text === '') return text;
    const broken = passwordViolations(rules.passwordPolicy, rules.commonPasswords, field, text, owner);
    this.list.push(...broken.map((violation) => ({ ...violation, reason: 'PASSWORD_POLICY' as const })));
    return text;
  }

  /** A text that is a token or is not, as it stands. */
  token(field: string, raw: string): string {
    if (raw === '') this.add(field, 'is required');
    if (raw.length > MAX_TOKEN_LENGTH) this.add(field, `must have at most ${MAX_TOKEN_LENGTH} characters`);
    return raw;
  }

  uuid(field: string, raw: string): string {
    const text = raw.toLowerCase();
    if (raw === '') this.add(field, 'is required');
    else if (!UUID.test(text)) this.add(field, 'must be a UUID');
    return text;
  }

  /** Epoch milliseconds; undefined when the field is absent. */
  time(field: string, raw: Timestamp | undefined): number | undefined {
    if (raw === undefined) return undefined;
    const isTime = raw.seconds >= FIRST_SECOND && raw.seconds <= LAST_SECOND && isFraction(raw.nanos);
    // Never rounded up: the last moment of the year 9999 is not one of the year 10000.
    if (isTime) return Number(raw.seconds) * 1_000 + Math.floor(raw.nanos / 1_000_000);
    this.add(field, 'must be a time between the years 1 and 9999');
    return undefined;
  }

  /** Milliseconds, begun ones counting whole; undefined when the field is absent. */
  duration(field: string, raw: Duration | undefined, maxMs: number): number | undefined {
    if (raw === undefined) return undefined;
    const isDuration = raw.seconds >= 0n && isFraction(raw.nanos);
    const ms = isDuration ? Number(raw.seconds) * 1_000 + Math.ceil(raw.nanos / 1_000_000) : -1;
    if (ms < 0 || ms > maxMs) this.add(field, `must be 0 to ${maxMs / 1000} seconds`);
    return ms;
  }

  /** AIP-158: `fallback` for 0; more than `max` is refused, so that no client mistakes a short page for the last. */
  pageSize(field: string, raw: number, limits: { readonly fallback: number; readonly max: number }): number {
    if (raw === 0) return limits.fallback;
    if (raw < 1 || raw > limits.max)
      this.add(field, `must be 1 to ${limits.max}, or 0 for ${limits.fallback}`);
    return raw;
  }
}
