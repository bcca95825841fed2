// RefreshToken: one token in, its successor out; an old one ends the session.

import type { User } from '../account/user.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { AnnounceDeps } from '../revocation/announce.ts';
import { announce } from '../revocation/announce.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import { revocation } from '../revocation/revocation.ts';
import type { Transact } from '../transactions.ts';
import type { IssueDeps, TokenSet } from './issue-tokens.ts';
import { issueTokens } from './issue-tokens.ts';
import type { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

export type RefreshInput = {
  readonly refreshToken: string;
  /** Empty for all that the session asked for. */
  readonly scopes: readonly string[];
  readonly origin: CallOrigin;
};

type TheftStores = {
  readonly sessions: Pick<SessionStore, 'revoke'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type RefreshDeps = IssueDeps &
  AnnounceDeps & {
    readonly sessions: Pick<SessionStore, 'findWithUser' | 'rotate'>;
    readonly transact: Transact<TheftStores>;
  };

// Losing a race leaves the token one behind, which the second look answers; a third is needed only when the grace is zero.
const MAX_LOOKS = 3;

/**
 * Rotates by compare-and-swap: of any number of concurrent calls with one token, one moves the session on and the others, within the grace,
 * get the same successor, so that a lost reply forks nothing (RFC 9700, section 4.14.2). An older token is theft: the session dies, the
 * owner is told. A forged one has no effect. Errors: TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED, REFRESH_TOKEN_REUSED, CONFLICT,
 * STORAGE_UNAVAILABLE.
 */
export async function refresh(deps: RefreshDeps, input: RefreshInput): Promise<TokenSet> {
  const content = deps.refreshTokenCodec.read(input.refreshToken);
  if (content === undefined) throw invalidToken();
  // A call that waits for a busy database is a retry or none by when it was made, not by when it is served: no alarm comes from load.
  const madeAt = deps.clock.now();

  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const found = await deps.sessions.findWithUser(content.sessionId);
    if (
      found === undefined ||
      !deps.refreshTokenCodec.isGenuine(input.refreshToken, content, found.session.salt)
    )
      throw invalidToken();
    const { session, user } = found;
    requireLive(session, user, deps.clock.now());

    if (content.generation > session.generation) throw invalidToken();
    if (content.generation === session.generation) {
      const successor = session.generation + 1;
      if (await rotate(deps, session, input.origin))
        return issueTokens(deps, user, session, successor, input.scopes);
      continue;
    }
    if (!isRetry(deps, session, content.generation, madeAt))
      return endStolenSession(deps, session, user, input.origin);
    return issueTokens(deps, user, session, session.generation, input.scopes);
  }
  throw new DomainError('CONFLICT', 'The session was changed by other calls meanwhile. Try again.', {
    retryAfterMs: 100,
  });
}

function invalidToken(): DomainError {
  return new DomainError('TOKEN_INVALID', 'The refresh token is not valid. Log in again.');
}

/** Refuses a session that has ended, for whatever reason. Errors: TOKEN_REVOKED, TOKEN_EXPIRED. */
function requireLive(session: Session, user: User, now: number): void {
  if (session.revokeTime !== undefined || session.epoch !== user.sessionEpoch || user.status !== 'active') {
    throw new DomainError('TOKEN_REVOKED', 'The session has ended. Log in again.');
  }
  if (now < session.expireTime && now < session.maxExpireTime) return;
  throw new DomainError('TOKEN_EXPIRED', 'The session has expired. Log in again.');
}

// The clock that wrote rotateTime may be another node's and ahead of ours: then no time has passed.
function isRetry(deps: RefreshDeps, session: Session, generation: number, madeAt: number): boolean {
  if (generation !== session.generation - 1 || session.rotateTime === undefined) return false;
  return Math.max(0, madeAt - session.rotateTime) <= deps.tokenPolicy.refreshGraceMs;
}

function rotate(deps: RefreshDeps, session: Session, origin: CallOrigin): Promise<boolean> {
  const now = deps.clock.now();
  return deps.sessions.rotate({
    sessionId: session.id,
    generation: session.generation,
    epoch: session.epoch,
    now,
    expireTime: Math.min(now + deps.tokenPolicy.refreshTokenTtlMs, session.maxExpireTime),
    ipAddress: origin.ipAddress,
    userAgent: origin.userAgent,
  });
}

async function endStolenSession(
  deps: RefreshDeps,
  session: Session,
  user: User,
  origin: CallOrigin,
): Promise<never> {
  const now = deps.clock.now();
  const revoked = revocation({ form: 'session', id: session.id }, now, deps.tokenPolicy.accessTokenTtlMs);
  const ended = await deps.transact(async (stores) => {
    if (!(await stores.sessions.revoke(session.id, session.userId, now))) return false;
    await stores.revocations.insert(revoked);
    await stores.audit.append(
      auditEvent(deps, {
        kind: 'session.refresh_reuse',
        outcome: 'refused',
        reason: 'REFRESH_TOKEN_REUSED',
        actorId: user.id,
        targetId: session.id,
        origin,
      }),
    );
    const letter = {
      template: 'session_theft',
      fullName: user.fullName,
      deviceName: session.deviceName,
      ipAddress: origin.ipAddress,
    } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to: user.email, letter, createTime: now });
    return true;
  });
  if (ended) await announce(deps, [revoked]);
  throw new DomainError(
    'REFRESH_TOKEN_REUSED',
    'This refresh token was used before, so the session has been ended. Log in again.',
  );
}
