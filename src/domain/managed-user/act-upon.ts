// An act of one person upon the account of another: who acts and who is acted upon stand still while it is decided and done.

import type { Actor } from '../access/authority.ts';
import { requireAuthorityOver, stillHolding } from '../access/authority.ts';
import type { RoleStore } from '../access/role.ts';
import { RoleDirectory } from '../access/role.ts';
import type { User } from '../account/user.ts';
import type { AuditEvent, AuditKind, AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { AuditedAct, AuditedDeps } from '../audit/audited.ts';
import { audited } from '../audit/audited.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { PublishRevocationsDeps } from '../revocation/publish-revocations.ts';
import { publishRevocations } from '../revocation/publish-revocations.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { ManagedUserStore } from './managed-user-store.ts';

/** Who does what to which account. */
export type Act = {
  readonly kind: AuditKind;
  readonly actor: Actor;
  readonly userId: string;
  /** What of the account it is done to; the account itself when absent. */
  readonly targetId?: string;
  readonly origin: CallOrigin;
  /** For the audit log. */
  readonly details?: Readonly<Record<string, string>>;
  /** Whether it may be done to one's own account; false by default. */
  readonly mayBeOwn?: boolean;
};

/** What every administrator's call has. */
export type ActInput = Pick<Act, 'actor' | 'userId' | 'origin'>;

export type ActStores = {
  readonly managedUsers: Pick<ManagedUserStore, 'lock'>;
  readonly roles: Pick<RoleStore, 'list'>;
  readonly audit: AuditLog;
};

export type ActDeps<Stores extends ActStores> = AuditedDeps<Stores> & PublishRevocationsDeps;

/** The account, locked for update, who acts upon it, and what every role grants at this moment. */
export type Locked = {
  readonly target: User;
  readonly actor: Actor;
  readonly roleDirectory: Pick<RoleDirectory, 'grantedBy'>;
};

/** What an act comes to, and what of it all nodes must know after the commit. */
export type Done<Result> = { readonly result: Result; readonly ended?: readonly Revocation[] };

/**
 * Runs `work` in one transaction, once it is settled there that the actor may act upon the account: no other call changes either of the two
 * before this one is done, and what their roles grant is read there. `work` writes the event of its success itself; a refusal is audited here. That some
 * active account has the supreme role follows: the actor upon a super_admin is another one, and still active.
 * Errors: those of `work`, USER_NOT_FOUND, ROLE_PROTECTED (one's own account, a super_admin by an actor who is none), INSUFFICIENT_SCOPE, TOKEN_REVOKED
 * (the actor's own credentials were ended meanwhile), CONFLICT, STORAGE_UNAVAILABLE.
 */
export async function actUpon<Stores extends ActStores, Result>(
  deps: ActDeps<Stores>,
  act: Act,
  work: (stores: Stores, locked: Locked) => Promise<Done<Result>>,
): Promise<Result> {
  const { result, ended = [] } = await audited(deps, auditedAct(act), async (stores: Stores) => {
    if (act.mayBeOwn !== true && act.actor.id === act.userId) throw ownAccount();
    const target = await lockBoth(stores, act);
    const roleDirectory = await rolesNow(stores);
    const actor = stillHolding({ roleDirectory }, act.actor);
    requireAuthorityOver({ roleDirectory }, actor, target.role);
    return work(stores, { target, actor, roleDirectory });
  });
  await publishRevocations(deps, ended);
  return result;
}

/** The event of an act that was done. */
export function successOf(deps: Stamp, act: Act): AuditEvent {
  return auditEvent(deps, { ...auditedAct(act), outcome: 'success' });
}

/** Locks the actor's account for share, so that its credentials do not end before the act is done. Errors: TOKEN_REVOKED when they have. */
export async function lockActor(stores: Pick<ActStores, 'managedUsers'>, actor: Actor): Promise<void> {
  const { id, version } = actor;
  if (id === undefined || version === undefined) return;
  requireStanding(await stores.managedUsers.lock(id, 'for_share'), actor);
}

/** As `lockActor`, and the actor with what their role still grants. */
export async function actorNow(
  stores: Pick<ActStores, 'managedUsers' | 'roles'>,
  actor: Actor,
): Promise<Actor> {
  await lockActor(stores, actor);
  return stillHolding({ roleDirectory: await rolesNow(stores) }, actor);
}

/** What the roles grant now: the cached directory may be a second behind. */
export async function rolesNow(stores: Pick<ActStores, 'roles'>): Promise<RoleDirectory> {
  return RoleDirectory.of(await stores.roles.list());
}

/** ROLE_PROTECTED for what no caller may do to their own account. */
export function ownAccount(): DomainError {
  return new DomainError('ROLE_PROTECTED', 'You cannot do this to your own account.');
}

/** `reason` for the audit log, when one was given. */
export function withReason(reason: string): Pick<Act, 'details'> {
  return reason === '' ? {} : { details: { reason } };
}

// In one order for all: two who act upon each other would wait for each other.
async function lockBoth(stores: ActStores, { actor, userId }: Act): Promise<User> {
  const isFirst = actor.id !== undefined && actor.id < userId;
  if (isFirst) await lockActor(stores, actor);
  const target = await stores.managedUsers.lock(userId, 'for_update');
  if (actor.id === userId) requireStanding(target, actor);
  else if (!isFirst) await lockActor(stores, actor);
  if (target === undefined) throw new DomainError('USER_NOT_FOUND', 'There is no such account.');
  return target;
}

function requireStanding(locked: User | undefined, { role, version }: Actor): void {
  if (locked?.status === 'active' && locked.role === role && locked.tokenVersion === version) return;
  throw new DomainError('TOKEN_REVOKED', 'Your own credential was ended meanwhile. Log in again.');
}

function auditedAct({ kind, actor, userId, targetId = userId, origin, details }: Act): AuditedAct {
  return {
    kind,
    accountId: userId,
    ...(actor.id === undefined ? {} : { actorId: actor.id }),
    targetId,
    origin,
    ...(details === undefined ? {} : { details }),
  };
}
