// UpdateMe: people change their user name and their name.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { Transact } from '../transactions.ts';
import { getUser } from './get-user.ts';
import type { ProfileChange, ProfileStore } from './profile-store.ts';
import type { UserStore } from './user-store.ts';
import type { User } from './user.ts';

type UpdateStores = { readonly profiles: ProfileStore; readonly audit: AuditLog };

export type UpdateProfileDeps = Stamp & {
  readonly users: Pick<UserStore, 'findById'>;
  readonly transact: Transact<UpdateStores>;
};

export type UpdateProfileInput = {
  readonly userId: string;
  /** Each field once at most. */
  readonly changes: readonly ProfileChange[];
  readonly origin: CallOrigin;
};

/** The account after the changes. Errors: USERNAME_TAKEN, USER_NOT_FOUND, STORAGE_UNAVAILABLE. */
export async function updateProfile(deps: UpdateProfileDeps, input: UpdateProfileInput): Promise<User> {
  const { userId, changes, origin } = input;
  if (changes.length === 0) return getUser(deps, userId);
  return deps.transact(async (stores) => {
    const updated = await stores.profiles.update(userId, changes, deps.clock.now());
    if (updated === undefined)
      throw new DomainError('USER_NOT_FOUND', 'The account does not exist any more.');
    if (updated === 'username_taken') {
      throw new DomainError('USERNAME_TAKEN', 'This user name is taken. Choose another.', {
        violations: [{ field: 'user.username', description: 'is taken' }],
      });
    }
    const details = { fields: changes.map(({ field }) => field).join(', ') };
    const who = { accountId: userId, actorId: userId, targetId: userId };
    await stores.audit.append(
      auditEvent(deps, { kind: 'account.update', outcome: 'success', ...who, origin, details }),
    );
    return updated;
  });
}
