// Users, sessions and the like with every field filled in; a test names those that it is about.

import { randomBytes } from 'node:crypto';

import { newId } from '../../src/crypto/ids.ts';
import type { NewUser } from '../../src/domain/account/user-store.ts';
import type { User } from '../../src/domain/account/user.ts';
import type { NewApiKey } from '../../src/domain/api-key/api-key.ts';
import type { CallOrigin } from '../../src/domain/audit/audit-event.ts';
import type { OutgoingMail } from '../../src/domain/mail/outbox.ts';
import { SALT_LENGTH } from '../../src/domain/session/refresh-token.ts';
import type { Session } from '../../src/domain/session/session.ts';

/** The time at which samples are made. */
/** What locks where a test sets no other rule: five failures, for a quarter of an hour. */
export const LOCKOUT_RULE = { maxFailures: 5, lockMs: 900_000 };

export const NOW = Date.UTC(2026, 0, 1);
/** A minute in milliseconds. */
export const MINUTE_MS = 60_000;
/** A day in milliseconds. */
export const DAY_MS = 86_400_000;

/** Where sample calls come from. */
export const ORIGIN: CallOrigin = {
  ipAddress: '192.0.2.1',
  userAgent: 'test',
  requestId: 'request-1',
};

/** A new account with an address and a user name of its own. */
export function sampleUser(change: Partial<NewUser> = {}): NewUser {
  const name = `n-${randomBytes(6).toString('hex')}`;
  return {
    id: newId(),
    email: { text: `${name}@Example.com`, key: `${name}@example.com` },
    username: { text: name.toUpperCase(), key: name },
    fullName: 'Ada Lovelace',
    passwordHash: '$argon2id$sample',
    role: 'user',
    emailVerified: false,
    createTime: NOW,
    ...change,
  };
}

/** An active account as it is read back. */
export function sampleOwner(id: string): User {
  return {
    id,
    email: 'ada@example.com',
    username: undefined,
    fullName: 'Ada Lovelace',
    role: 'user',
    status: 'active',
    emailVerified: true,
    mfaEnabled: false,
    tokenVersion: 1,
    sessionEpoch: 1,
    createTime: NOW,
    updateTime: NOW,
    lastLoginTime: undefined,
  };
}

/** A live session of the user in its first generation. */
export function sampleSession(userId: string, change: Partial<Session> = {}): Session {
  return {
    id: newId(),
    userId,
    generation: 1,
    usesCookie: false,
    salt: new Uint8Array(randomBytes(SALT_LENGTH)),
    scopes: undefined,
    epoch: 1,
    deviceName: 'laptop',
    ipAddress: '192.0.2.1',
    userAgent: 'test',
    amr: ['pwd'],
    authTime: NOW,
    createTime: NOW,
    lastSeenTime: NOW,
    rotateTime: undefined,
    expireTime: NOW + 7 * DAY_MS,
    maxExpireTime: NOW + 30 * DAY_MS,
    revokeTime: undefined,
    ...change,
  };
}

/** A new API key. */
export function sampleApiKey(ownerId: string, change: Partial<NewApiKey> = {}): NewApiKey {
  return {
    id: newId(),
    digest: new Uint8Array(randomBytes(32)),
    ownerId,
    ownerKind: 'user',
    displayName: 'key',
    scopes: ['account:read'],
    allowedCidrs: [],
    createTime: NOW,
    expireTime: undefined,
    ...change,
  };
}

/** An email that is due at once. */
export function sampleMail(change: Partial<OutgoingMail> = {}): OutgoingMail {
  return {
    id: newId(),
    to: 'ada@example.com',
    content: { template: 'password_changed', fullName: 'Ada "the first" Lovelace\n', ipAddress: '192.0.2.1' },
    createTime: NOW,
    ...change,
  };
}
