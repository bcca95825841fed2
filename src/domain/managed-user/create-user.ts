// CreateUser: an account that its owner takes over by an invitation.

import type { Actor } from '../access/authority.ts';
import { requireMayGrant, stillHolding } from '../access/authority.ts';
import type { EmailAddress } from '../account/email-address.ts';
import type { NewUser, UserStore } from '../account/user-store.ts';
import { openedAccount } from '../account/user-store.ts';
import type { User } from '../account/user.ts';
import type { Username } from '../account/username.ts';
import type { CallOrigin } from '../audit/audit-event.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { ActStores } from './act-upon.ts';
import { lockActor, rolesNow } from './act-upon.ts';
import type { ManagedUserStore } from './managed-user-store.ts';
import { emailTaken, roleNotFound, usernameTaken } from './refusals.ts';

/** What opening an account writes. */
export type AccountStores = ActStores & {
  readonly managedUsers: Pick<ManagedUserStore, 'lock' | 'lockRole'>;
  readonly users: Pick<UserStore, 'insert'>;
};

type CreateStores = AccountStores & { readonly outbox: Outbox };

export type CreateUserDeps = AuditedDeps<CreateStores>;

export type CreateUserInput = {
  readonly actor: Actor;
  readonly email: EmailAddress;
  readonly username: Username | undefined;
  readonly fullName: string;
  readonly role: string;
  readonly origin: CallOrigin;
};

/** An account, and what is known of it besides: by default neither a password nor a proof of its address. */
export type CreateAccountInput = CreateUserInput & {
  readonly passwordHash?: string;
  readonly emailVerified?: boolean;
  /** For the audit log. */
  readonly details?: Readonly<Record<string, string>>;
};

/**
 * Opens the account without a password, and mails its owner an invitation that sets one. Errors: EMAIL_TAKEN, USERNAME_TAKEN, ROLE_NOT_FOUND,
 * ROLE_PROTECTED (super_admin), INSUFFICIENT_SCOPE (the role grants what the actor lacks), TOKEN_REVOKED (the actor's credentials were ended
 * meanwhile), CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function createUser(deps: CreateUserDeps, input: CreateUserInput): Promise<User> {
  return createAccount(deps, input, async (stores: CreateStores, made) => {
    const content = { template: 'invitation', userId: made.id } as const;
    const { text: to } = made.email;
    await stores.outbox.enqueue({ id: deps.newId(), to, content, createTime: made.createTime });
    return openedAccount(made);
  });
}

/** Opens the account, and lets `finish` give its owner a way in, all in one transaction. Errors: those of `createUser` and of `finish`. */
export async function createAccount<Stores extends AccountStores, Result>(
  deps: AuditedDeps<Stores>,
  input: CreateAccountInput,
  finish: (stores: Stores, made: NewUser) => Promise<Result>,
): Promise<Result> {
  const { actor, role, origin, details } = input;
  const who = actor.id === undefined ? {} : { actorId: actor.id };
  const act = { kind: 'account.create', ...who, origin, details: { role, ...details } } as const;
  return audited(deps, act, async (stores: Stores) => {
    await lockActor(stores, actor);
    const roleDirectory = await rolesNow(stores);
    requireMayGrant({ roleDirectory }, stillHolding({ roleDirectory }, actor), role);
    if (!(await stores.managedUsers.lockRole(role))) throw roleNotFound();
    const made = newAccount(deps, input);
    const outcome = await stores.users.insert(made);
    if (outcome === 'email_taken') throw emailTaken('email');
    if (outcome === 'username_taken') throw usernameTaken('username');
    const account = { accountId: made.id, targetId: made.id };
    await stores.audit.append(auditEvent(deps, { ...act, ...account, outcome: 'success' }));
    return finish(stores, made);
  });
}

function newAccount({ newId, clock }: Stamp, input: CreateAccountInput): NewUser {
  const { email, username, fullName, role, passwordHash, emailVerified = false } = input;
  return {
    id: newId(),
    email,
    username,
    fullName,
    passwordHash,
    role,
    emailVerified,
    createTime: clock.now(),
  };
}
