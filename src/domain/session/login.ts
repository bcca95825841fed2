// Login: from identifier and password to a session with its first pair of tokens.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import { emailKey } from '../account/email-address.ts';
import type { PasswordHasher } from '../account/password-hasher.ts';
import type { UserStore } from '../account/user-store.ts';
import type { User, UserWithPassword } from '../account/user.ts';
import { usernameKey } from '../account/username.ts';
import type { RandomBytes } from '../clock.ts';
import { DomainError } from '../errors.ts';
import type { Transact } from '../transactions.ts';
import type { IssueDeps, TokenSet } from './issue-tokens.ts';
import { issueTokens } from './issue-tokens.ts';
import { SALT_LENGTH } from './refresh-token.ts';
import type { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

export type LoginInput = {
  readonly identifier: string;
  readonly password: string;
  /** Empty for all that the role grants. */
  readonly scopes: readonly string[];
  readonly deviceName: string;
  readonly origin: CallOrigin;
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal;
};

type LoginStores = {
  readonly users: Pick<UserStore, 'markLogin'>;
  readonly sessions: Pick<SessionStore, 'insert'>;
  readonly audit: AuditLog;
};

export type LoginDeps = IssueDeps & {
  readonly users: Pick<UserStore, 'findByIdentifier'>;
  readonly audit: AuditLog;
  readonly transact: Transact<LoginStores>;
  readonly passwordHasher: PasswordHasher;
  readonly randomBytes: RandomBytes;
  readonly requireVerifiedEmail: boolean;
};

/**
 * Opens a session. An unknown identifier costs the same time as a wrong password and gets the same answer; only the right password learns
 * that an account is suspended or unverified. Errors: INVALID_CREDENTIALS, ACCOUNT_SUSPENDED, EMAIL_NOT_VERIFIED, OVERLOADED,
 * STORAGE_UNAVAILABLE.
 */
export async function login(deps: LoginDeps, input: LoginInput): Promise<TokenSet> {
  const user = await deps.users.findByIdentifier(identifierKey(input.identifier));
  const matches = await deps.passwordHasher.verify(user?.passwordHash, input.password, input.signal);
  if (user?.passwordHash === undefined || !matches) return refuse(deps, input, user, invalidCredentials());
  const obstacle = loginObstacle(deps, user);
  if (obstacle !== undefined) return refuse(deps, input, user, obstacle);

  const newHash = deps.passwordHasher.needsRehash(user.passwordHash)
    ? await deps.passwordHasher.hash(input.password)
    : undefined;
  const opened = await openSession(deps, input, user.passwordHash, newHash, user);
  if (opened === undefined) return refuse(deps, input, user, invalidCredentials());
  return issueTokens(deps, opened.user, opened.session, opened.session.generation, []);
}

/** The key that an identifier stands for: an e-mail address holds an `@`, a user name never does. */
export function identifierKey(identifier: string): string {
  return identifier.includes('@') ? emailKey(identifier) : usernameKey(identifier);
}

function invalidCredentials(): DomainError {
  return new DomainError('INVALID_CREDENTIALS', 'The identifier or the password is wrong.');
}

function loginObstacle(deps: LoginDeps, user: User): DomainError | undefined {
  if (user.status !== 'active')
    return new DomainError('ACCOUNT_SUSPENDED', 'This account is suspended. Ask an administrator.');
  if (!deps.requireVerifiedEmail || user.emailVerified) return undefined;
  return new DomainError('EMAIL_NOT_VERIFIED', 'This e-mail address has not been verified.');
}

async function refuse(
  deps: LoginDeps,
  input: LoginInput,
  user: UserWithPassword | undefined,
  error: DomainError,
): Promise<never> {
  const target = user === undefined ? {} : { targetId: user.id };
  await deps.audit.append(
    auditEvent(deps, {
      kind: 'session.login',
      outcome: 'refused',
      reason: error.reason,
      origin: input.origin,
      ...target,
    }),
  );
  throw error;
}

function openSession(
  deps: LoginDeps,
  input: LoginInput,
  checkedHash: string,
  newHash: string | undefined,
  checked: User,
) {
  return deps.transact(async (stores) => {
    const now = deps.clock.now();
    const user = await stores.users.markLogin({ userId: checked.id, checkedHash, newHash, now });
    if (user === undefined) return undefined;
    const session = newSession(deps, input, user, now);
    await stores.sessions.insert(session);
    await stores.audit.append(
      auditEvent(deps, {
        kind: 'session.login',
        outcome: 'success',
        actorId: user.id,
        targetId: session.id,
        origin: input.origin,
      }),
    );
    return { user, session };
  });
}

function newSession(deps: LoginDeps, input: LoginInput, user: User, now: number): Session {
  const { refreshTokenTtlMs, sessionMaxAgeMs } = deps.tokenPolicy;
  return {
    id: deps.newId(),
    userId: user.id,
    generation: 1,
    salt: deps.randomBytes(SALT_LENGTH),
    scopes: input.scopes.length === 0 ? undefined : input.scopes,
    epoch: user.sessionEpoch,
    deviceName: input.deviceName,
    ipAddress: input.origin.ipAddress,
    userAgent: input.origin.userAgent,
    amr: ['pwd'],
    authTime: now,
    createTime: now,
    lastSeenTime: now,
    rotateTime: undefined,
    expireTime: now + Math.min(refreshTokenTtlMs, sessionMaxAgeMs),
    maxExpireTime: now + sessionMaxAgeMs,
    revokeTime: undefined,
  };
}
