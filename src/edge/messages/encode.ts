// Writing responses: domain types as messages.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { CredentialKind as DomainCredentialKind, Principal } from '../../domain/access/principal.ts';
import type { SecurityEvent } from '../../domain/audit/security-events.ts';
import type { User, UserStatus as DomainUserStatus } from '../../domain/account/user.ts';
import type { SessionCredentials } from '../../domain/session/session-credentials.ts';
import type { TokenSet } from '../../domain/session/issue-tokens.ts';
import type { LoginOutcome } from '../../domain/session/login.ts';
import type { Session } from '../../domain/session/session.ts';
import type { LoginResponseSchema } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import { MfaFactor } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import { CredentialKind } from '../../../gen/latchkey/v1/access_pb.ts';
import type { SessionSchema } from '../../../gen/latchkey/v1/session_pb.ts';
import type { PrincipalSchema, TokenSetSchema } from '../../../gen/latchkey/v1/token_pb.ts';
import { PrincipalKind } from '../../../gen/latchkey/v1/token_pb.ts';
import type { UserSchema } from '../../../gen/latchkey/v1/user_pb.ts';
import { UserStatus } from '../../../gen/latchkey/v1/user_pb.ts';

/** The status as other programs see it. */
export const USER_STATUS: Readonly<Record<DomainUserStatus, UserStatus>> = {
  active: UserStatus.ACTIVE,
  suspended: UserStatus.SUSPENDED,
  deleted: UserStatus.DELETED,
};

/** The kind of credential as other programs see it. */
export const CREDENTIAL: Readonly<Record<DomainCredentialKind, CredentialKind>> = {
  access_token: CredentialKind.ACCESS_TOKEN,
  api_key: CredentialKind.API_KEY,
  session_cookie: CredentialKind.SESSION_COOKIE,
};

/** The account as other programs see it. */
export function encodeUser(user: User): MessageInitShape<typeof UserSchema> {
  return {
    id: user.id,
    email: user.email,
    username: user.username ?? '',
    fullName: user.fullName,
    role: user.role,
    status: USER_STATUS[user.status],
    emailVerified: user.emailVerified,
    mfaEnabled: user.mfaEnabled,
    createTime: timestampFromMs(user.createTime),
    updateTime: timestampFromMs(user.updateTime),
    ...(user.lastLoginTime === undefined ? {} : { lastLoginTime: timestampFromMs(user.lastLoginTime) }),
  };
}

/** The session; `current` when it is `currentId`. */
export function encodeSession(
  session: Session,
  currentId: string | undefined,
): MessageInitShape<typeof SessionSchema> {
  return {
    id: session.id,
    deviceName: session.deviceName,
    ipAddress: session.ipAddress,
    userAgent: session.userAgent,
    createTime: timestampFromMs(session.createTime),
    lastSeenTime: timestampFromMs(session.lastSeenTime),
    expireTime: timestampFromMs(session.expireTime),
    current: session.id === currentId,
  };
}

export function encodeTokenSet(tokens: TokenSet): MessageInitShape<typeof TokenSetSchema> {
  return {
    accessToken: tokens.accessToken,
    refreshToken: tokens.refreshToken,
    tokenType: 'Bearer',
    expiresIn: durationFromMs(tokens.expiresIn),
    scopes: [...tokens.scopes],
    sessionId: tokens.sessionId,
  };
}

/** The credentials of a new session. The cookie itself stands in the header of the answer, out of reach of the page's scripts. */
export function encodeCredentials(credentials: SessionCredentials): MessageInitShape<typeof TokenSetSchema> {
  if ('tokens' in credentials) return encodeTokenSet(credentials.tokens);
  const { expiresIn, scopes, sessionId } = credentials.cookie;
  return { expiresIn: durationFromMs(expiresIn), scopes: [...scopes], sessionId };
}

/** The credentials of a new session, or the challenge of an account with a second factor. */
export function encodeLoginOutcome(outcome: LoginOutcome): MessageInitShape<typeof LoginResponseSchema> {
  if (!('challenge' in outcome)) return { outcome: { case: 'tokens', value: encodeCredentials(outcome) } };
  const { mfaToken, expiresIn } = outcome.challenge;
  const factors = [MfaFactor.TOTP, MfaFactor.BACKUP_CODE];
  const value = { mfaToken, factors, expiresIn: durationFromMs(expiresIn) };
  return { outcome: { case: 'mfaChallenge', value } };
}

export function encodePrincipal(principal: Principal): MessageInitShape<typeof PrincipalSchema> {
  return {
    subjectId: principal.subjectId,
    kind: principal.kind === 'user' ? PrincipalKind.USER : PrincipalKind.SERVICE,
    role: principal.role,
    scopes: [...principal.scopes],
    sessionId: principal.sessionId ?? '',
    credential: CREDENTIAL[principal.credential],
    ...(principal.authTime === undefined ? {} : { authTime: timestampFromMs(principal.authTime) }),
    amr: [...principal.amr],
  };
}

/** What an event says to its owner and to an operator alike. */
export function encodeEvent(event: SecurityEvent) {
  const { id, time, kind, reason = '', actorId = '', targetId = '', origin } = event;
  return { id, time: timestampFromMs(time), kind, reason, actorId, targetId, ...origin };
}
