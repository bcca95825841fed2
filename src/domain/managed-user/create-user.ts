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
import { auditEvent } from '../audit/record.ts';
import type { Outbox } from '../mail/outbox.ts';
import type { ActStores } from './act-upon.ts';
import { holdActor, rolesNow } from './act-upon.ts';
import type { ManagedUserStore } from './managed-user-store.ts';
import { emailTaken, roleNotFound, usernameTaken } from './refusals.ts';

type CreateStores = ActStores & {
  readonly managedUsers: Pick<ManagedUserStore, 'hold' | 'holdRole'>;
  readonly users: Pick<UserStore, 'insert'>;
  readonly outbox: Outbox;
};

export type CreateUserDeps = AuditedDeps<CreateStores>;

export type CreateUserInput = {
  readonly actor: Actor;
  readonly email: EmailAddress;
  readonly username: Username | undefined;
  readonly fullName: string;
  readonly role: string;
  readonly origin: CallOrigin;
};

/**
 * Opens the account without a password, and mails its owner an invitation that sets one. Errors: EMAIL_TAKEN, USERNAME_TAKEN, ROLE_NOT_FOUND,
 * ROLE_PROTECTED (super_admin), INSUFFICIENT_SCOPE (the role grants what the actor lacks), TOKEN_REVOKED (the actor's credentials were ended
 * meanwhile), CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function createUser(deps: CreateUserDeps, input: CreateUserInput): Promise<User> {
  const { actor, role, origin } = input;
  const who = actor.id === undefined ? {} : { actorId: actor.id };
  const act = { kind: 'account.create', ...who, origin, details: { role } } as const;
  return audited(deps, act, async (stores: CreateStores) => {
    await holdActor(stores, actor);
    const roleDirectory = await rolesNow(stores);
    requireMayGrant({ roleDirectory }, stillHolding({ roleDirectory }, actor), role);
    if (!(await stores.managedUsers.holdRole(role))) throw roleNotFound();
    const made = newAccount(deps, input);
    const outcome = await stores.users.insert(made);
    if (outcome === 'email_taken') throw emailTaken('email');
    if (outcome === 'username_taken') throw usernameTaken('username');
    const account = { accountId: made.id, targetId: made.id };
    await stores.audit.append(auditEvent(deps, { ...act, ...account, outcome: 'success' }));
    const letter = { template: 'invitation', userId: made.id } as const;
    const { text: to } = made.email;
    await stores.outbox.enqueue({ id: deps.newId(), to, letter, createTime: made.createTime });
    return openedAccount(made);
  });
}

function newAccount(
  { newId, clock }: CreateUserDeps,
  { email, username, fullName, role }: CreateUserInput,
): NewUser {
  return {
    id: newId(),
    email,
    username,
    fullName,
    passwordHash: undefined,
    role,
    emailVerified: false,
    createTime: clock.now(),
  };
}
