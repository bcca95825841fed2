// Opens a session: the last step of every login, whatever proved who the person is.

import type { User } from '../account/user.ts';
import type { AuditKind, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import type { RandomBytes } from '../clock.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { IssueDeps } from './issue-tokens.ts';
import type { KnownDevices } from './known-devices.ts';
import { SALT_LENGTH } from './refresh-token.ts';
import type { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** What a login asks of the session that it opens. */
export type SessionOptions = {
  /** Empty for all that the role grants. */
  readonly scopes: readonly string[];
  readonly deviceName: string;
  /** A cookie in place of tokens. */
  readonly useCookie: boolean;
};

export type OpenSessionStores = {
  readonly sessions: Pick<SessionStore, 'insert'>;
  readonly knownDevices: Pick<KnownDevices, 'note'>;
  readonly outbox: Outbox;
};

export type OpenSessionDeps = Pick<IssueDeps, 'tokenPolicy' | 'clock' | 'newId'> & {
  readonly randomBytes: RandomBytes;
};

export type OpenSessionInput = SessionOptions & {
  readonly user: User;
  /** How the person proved who they are (RFC 8176). */
  readonly amr: readonly string[];
  readonly kind: Extract<AuditKind, 'session.login' | 'session.verify_mfa'>;
  readonly origin: CallOrigin;
};

/** Writes the session, its audit event and, from a device not seen before, an email to the owner; in a transaction of the caller's. */
export async function openSession(
  deps: OpenSessionDeps,
  stores: OpenSessionStores,
  input: OpenSessionInput,
): Promise<Session> {
  const { user, origin, deviceName, kind } = input;
  const session = newSession(deps, input);
  const { id: targetId, createTime } = session;
  const opened = {
    kind,
    outcome: 'success',
    accountId: user.id,
    actorId: user.id,
    targetId,
    origin,
  } as const;
  await stores.sessions.insert(session, auditEvent(deps, opened));
  const device = { userId: user.id, deviceName, userAgent: origin.userAgent, now: createTime };
  if ((await stores.knownDevices.note(device)) === 'another') {
    const { userAgent, ipAddress } = origin;
    const content = {
      template: 'new_device',
      fullName: user.fullName,
      deviceName,
      userAgent,
      ipAddress,
    } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to: user.email, content, createTime });
  }
  return session;
}

function newSession(
  deps: OpenSessionDeps,
  { user, amr, scopes, deviceName, useCookie, origin }: OpenSessionInput,
): Session {
  const now = deps.clock.now();
  const { refreshTokenTtlMs, sessionMaxAgeMs } = deps.tokenPolicy;
  return {
    id: deps.newId(),
    userId: user.id,
    generation: 1,
    usesCookie: useCookie,
    salt: deps.randomBytes(SALT_LENGTH),
    scopes: scopes.length === 0 ? undefined : scopes,
    epoch: user.sessionEpoch,
    deviceName,
    ipAddress: origin.ipAddress,
    userAgent: origin.userAgent,
    amr,
    authTime: now,
    createTime: now,
    lastSeenTime: now,
    rotateTime: undefined,
    expireTime: now + Math.min(refreshTokenTtlMs, sessionMaxAgeMs),
    maxExpireTime: now + sessionMaxAgeMs,
    revokeTime: undefined,
  };
}
