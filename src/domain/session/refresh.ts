// RefreshToken: one token in, its successor out; an old one ends the session.

import type { User } from '../account/user.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import { revocation } from '../revocation/revocation.ts';
import type { Transact } from '../transactions.ts';
import type { IssueDeps, TokenSet } from './issue-tokens.ts';
import { issueTokens } from './issue-tokens.ts';
import type { RefreshTokenContent } from './refresh-token.ts';
import { isOfSession } from './refresh-token.ts';
import type { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';
import { endingOf } from './session.ts';
import type { UnansweredRefreshes } from './unanswered-refreshes.ts';

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
  PublishRevocationsDeps & {
    readonly sessions: Pick<SessionStore, 'findWithUser' | 'rotate'>;
    readonly unansweredRefreshes: UnansweredRefreshes;
    /** Monotonic milliseconds. */
    readonly stopwatch: () => number;
    readonly transact: Transact<TheftStores>;
  };

// Who loses a race finds the token one behind; a second round is for a session that was locked by a transaction that rolled back.
const MAX_ROUNDS = 3;

/**
 * Rotates by compare-and-swap: of any number of concurrent calls with one token, one moves the session on and the others, within the grace,
 * get the same successor, so that a lost reply forks nothing (RFC 9700, section 4.14.2). An older token is theft: the session dies, the
 * owner is notified. The grace is measured by the database's clock. A forged one has no effect. Errors: TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED, REFRESH_TOKEN_REUSED, CONFLICT,
 * STORAGE_UNAVAILABLE.
 */
export async function refresh(deps: RefreshDeps, input: RefreshInput): Promise<TokenSet> {
  const content = deps.refreshTokenCodec.read(input.refreshToken);
  if (content === undefined) throw invalidToken();
  const { unansweredRefreshes, stopwatch } = deps;
  const calledAt = stopwatch();
  try {
    // A call that waits for a busy database is a retry or none by when it was made, not by when it is served: no alarm comes from load.
    const tokens = await step(deps, content, input, unansweredRefreshes.firstAttempt(content, calledAt));
    unansweredRefreshes.settle(content);
    return tokens;
  } catch (error) {
    if (error instanceof DomainError && error.reason === 'STORAGE_UNAVAILABLE')
      unansweredRefreshes.note(content, calledAt);
    throw error;
  }
}

async function step(
  deps: RefreshDeps,
  content: RefreshTokenContent,
  input: RefreshInput,
  madeAt: number,
): Promise<TokenSet> {
  const { sessionId: id, salt, generation } = content;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const rotated = await rotate(deps, content, input.origin);
    if (rotated !== undefined)
      return issueTokens(deps, rotated.user, { ...rotated.session, id, salt }, generation + 1, input.scopes);

    const found = await deps.sessions.findWithUser(id);
    if (found === undefined || found.session.usesCookie || !isOfSession(content, found.session))
      throw invalidToken();
    const { session, user, readTime } = found;
    requireLive(session, user, deps.clock.now());
    if (generation > session.generation) throw invalidToken();
    if (generation === session.generation) continue;
    const waitedMs = deps.stopwatch() - madeAt;
    if (!isRetry(deps, session, generation, readTime - waitedMs))
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
  const ending = endingOf(session, user, now);
  if (ending === 'revoked') throw new DomainError('TOKEN_REVOKED', 'The session has ended. Log in again.');
  if (ending === 'expired') throw new DomainError('TOKEN_EXPIRED', 'The session has expired. Log in again.');
}

// Both times are the database's: no node's clock makes the grace longer or shorter.
function isRetry(deps: RefreshDeps, session: Session, generation: number, madeTime: number): boolean {
  if (generation !== session.generation - 1 || session.rotateTime === undefined) return false;
  return madeTime - session.rotateTime <= deps.tokenPolicy.refreshGraceMs;
}

function rotate(deps: RefreshDeps, content: RefreshTokenContent, origin: CallOrigin) {
  const now = deps.clock.now();
  return deps.sessions.rotate({
    ...content,
    now,
    expireTime: now + deps.tokenPolicy.refreshTokenTtlMs,
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
    if (!(await stores.sessions.revoke(session.id, session.userId, now))) return [];
    const kept = await stores.revocations.insert(revoked);
    await stores.audit.append(
      auditEvent(deps, {
        kind: 'session.refresh_reuse',
        outcome: 'refused',
        reason: 'REFRESH_TOKEN_REUSED',
        accountId: user.id,
        actorId: user.id,
        targetId: session.id,
        origin,
      }),
    );
    const content = {
      template: 'session_theft',
      fullName: user.fullName,
      deviceName: session.deviceName,
      ipAddress: origin.ipAddress,
    } as const;
    await stores.outbox.enqueue({ id: deps.newId(), to: user.email, content, createTime: now });
    return [kept];
  });
  await publishRevocations(deps, ended);
  throw new DomainError(
    'REFRESH_TOKEN_REUSED',
    'This refresh token was used before, so the session has been ended. Log in again.',
  );
}
