// ExportMe: people take their data away.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { SessionStore } from '../session/session-store.ts';
import type { Transact } from '../transactions.ts';
import type { AccountArchive } from './account-archive.ts';
import { accountExport, EXPORT_LIMITS } from './account-export.ts';
import { getUser } from './get-user.ts';
import type { UserStore } from './user-store.ts';

type ExportStores = {
  readonly users: Pick<UserStore, 'findById'>;
  readonly sessions: Pick<SessionStore, 'listLive'>;
  readonly accountArchive: AccountArchive;
  readonly audit: AuditLog;
};

export type ExportAccountDeps = Stamp & { readonly transact: Transact<ExportStores> };

/** Everything that is kept about the account, as one document; see `accountExport`. Errors: USER_NOT_FOUND, STORAGE_UNAVAILABLE. */
export async function exportAccount(
  deps: ExportAccountDeps,
  { userId, origin }: { readonly userId: string; readonly origin: CallOrigin },
): Promise<object> {
  return deps.transact(async ({ users, sessions, accountArchive, audit }) => {
    const now = deps.clock.now();
    const user = await getUser({ users }, userId);
    const live = { userId, epoch: user.sessionEpoch, now, before: undefined };
    const source = {
      now,
      user,
      sessions: await sessions.listLive({ ...live, limit: EXPORT_LIMITS.sessions + 1 }),
      apiKeys: await accountArchive.apiKeysOf(userId, EXPORT_LIMITS.apiKeys + 1),
      factors: await accountArchive.factorsOf(userId),
      events: await accountArchive.eventsOf(userId, EXPORT_LIMITS.securityEvents + 1),
    };
    const who = { accountId: userId, actorId: userId, targetId: userId };
    await audit.append(auditEvent(deps, { kind: 'account.export', outcome: 'success', ...who, origin }));
    return accountExport(source);
  });
}
