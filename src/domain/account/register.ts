// Register: a new account with the role `user`.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { EmailContent, Outbox } from '../mail/outbox.ts';
import type { Transact } from '../transactions.ts';
import type { AcceptablePasswordDeps } from '../password/acceptable-password.ts';
import { requireAcceptablePassword } from '../password/acceptable-password.ts';
import type { EmailAddress } from './email-address.ts';
import type { PasswordHasher } from '../password/password-hasher.ts';
import type { NewUser, UserStore } from './user-store.ts';
import { openedAccount } from './user-store.ts';
import type { User } from './user.ts';
import type { Username } from './username.ts';

/**
 * What a taken address is answered. `private`: like a fresh one, and its owner is notified by email. `open`: EMAIL_TAKEN. `closed`:
 * REGISTRATION_CLOSED.
 */
export type RegistrationMode = 'private' | 'open' | 'closed';

/** The role that everyone starts with. */
export const DEFAULT_ROLE = 'user';

type RegisterStores = {
  readonly users: Pick<UserStore, 'insert'>;
  readonly audit: AuditLog;
  readonly outbox: Outbox;
};

export type RegisterDeps = Stamp &
  AcceptablePasswordDeps & {
    readonly users: Pick<UserStore, 'findByIdentifier'>;
    readonly rateLimiter: Pick<RateLimiter, 'consume'>;
    readonly transact: Transact<RegisterStores>;
    readonly passwordHasher: Pick<PasswordHasher, 'admit' | 'hash'>;
    readonly registrationMode: RegistrationMode;
  };

export type RegisterInput = {
  readonly email: EmailAddress;
  readonly username: Username | undefined;
  readonly password: string;
  readonly fullName: string;
  readonly origin: CallOrigin;
  /** Aborts when the caller is gone. */
  readonly signal?: AbortSignal;
};

/**
 * Creates the account. In mode `private` a taken address is answered with a user that is stored nowhere, after the same work. Either way its
 * mailbox gets an email, which counts toward those that one mailbox gets. Errors: REGISTRATION_CLOSED, PASSWORD_POLICY (every rule broken),
 * USERNAME_TAKEN, EMAIL_TAKEN (mode `open`), RATE_LIMITED (so many to one mailbox), OVERLOADED, STORAGE_UNAVAILABLE.
 */
export async function register(deps: RegisterDeps, input: RegisterInput): Promise<User> {
  if (deps.registrationMode === 'closed') {
    throw new DomainError(
      'REGISTRATION_CLOSED',
      'Registration is closed here. Ask an administrator for an account.',
    );
  }
  const { email, username, fullName } = input;
  const owner = { email: email.text, username: username?.text, fullName };
  await requireAcceptablePassword(deps, 'password', input.password, owner);
  return deps.passwordHasher.admit(async () => {
    // Looked up before the mailbox is charged: trying out names must not use up its emails. That a name is taken is no secret.
    if (username !== undefined && (await deps.users.findByIdentifier(username.key)) !== undefined)
      throw usernameTaken();
    await deps.rateLimiter.consume('mail', 'account', email.key);
    return createAccount(deps, input);
  });
}

function usernameTaken(): DomainError {
  return new DomainError('USERNAME_TAKEN', 'This user name is taken. Choose another.', field('username'));
}

async function createAccount(deps: RegisterDeps, input: RegisterInput): Promise<User> {
  const passwordHash = await deps.passwordHasher.hash(input.password, input.signal);
  const user: NewUser = {
    id: deps.newId(),
    email: input.email,
    username: input.username,
    fullName: input.fullName,
    passwordHash,
    role: DEFAULT_ROLE,
    emailVerified: false,
    createTime: deps.clock.now(),
  };
  const outcome = await deps.transact((stores) => store(deps, stores, user, input.origin));
  if (outcome === 'username_taken') throw usernameTaken();
  if (outcome === 'email_taken' && deps.registrationMode === 'open') {
    throw new DomainError(
      'EMAIL_TAKEN',
      'This e-mail address has an account. Log in instead.',
      field('email'),
    );
  }
  return openedAccount(user);
}

const field = (name: string) => ({ violations: [{ field: name, description: 'is taken' }] });

async function store(deps: RegisterDeps, stores: RegisterStores, user: NewUser, origin: CallOrigin) {
  const outcome = await stores.users.insert(user);
  if (outcome === 'username_taken' || (outcome === 'email_taken' && deps.registrationMode === 'open'))
    return outcome;
  const isNew = outcome === 'inserted';
  await stores.audit.append(
    isNew
      ? auditEvent(deps, {
          kind: 'account.register',
          outcome: 'success',
          accountId: user.id,
          actorId: user.id,
          targetId: user.id,
          origin,
        })
      : auditEvent(deps, {
          kind: 'account.register_taken',
          outcome: 'refused',
          reason: 'EMAIL_TAKEN',
          origin,
        }),
  );
  const content: EmailContent = isNew
    ? { template: 'verify_email', origin }
    : { template: 'register_taken', ipAddress: origin.ipAddress };
  await stores.outbox.enqueue({
    id: deps.newId(),
    to: user.email.text,
    content,
    createTime: user.createTime,
  });
  return outcome;
}
