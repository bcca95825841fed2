// latchkey user: manages accounts by operators with access to the database.

import type { App } from '../app.ts';
import { closeApp } from '../app.ts';
import type { Config } from '../config.ts';
import { emailKey } from '../domain/account/email-address.ts';
import type { CallOrigin } from '../domain/audit/audit-event.ts';
import { DomainError } from '../domain/errors.ts';
import { COMMAND_LINE } from '../domain/access/authority.ts';
import { grantSuperAdmin } from '../domain/managed-user/change-role.ts';
import { unlockUser } from '../domain/managed-user/reset-credentials.ts';
import { openForCommand } from './open-for-command.ts';

const originOf = (command: string): CallOrigin => ({
  ipAddress: '',
  userAgent: `latchkey user ${command}`,
  requestId: '',
});

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Makes the account with this address or id a super_admin, beside a running service or, embedded, in its place; running nodes know within a
 * second or so. Says what has been done. Errors: DomainError USER_NOT_FOUND, ACCOUNT_SUSPENDED; ConfigError; the driver's.
 */
export async function grantSuperAdminCommand(config: Config, emailOrId: string): Promise<void> {
  const app = await openForCommand(config);
  try {
    const { id, email } = await findAccount(app, emailOrId);
    const isNew = await grantSuperAdmin(app, { userId: id, origin: originOf('grant-super-admin') });
    console.log(
      isNew
        ? `${email} (${id}) is a super_admin now, and has to log in again.`
        : `${email} (${id}) is a super_admin already; nothing has been changed.`,
    );
  } finally {
    await closeApp(app);
  }
}

/**
 * Deletes the failed logins of the account with this address or id, and lifts the locks that they brought; counts at once on running nodes. Says
 * what has been done. Errors: DomainError USER_NOT_FOUND; ConfigError; the driver's.
 */
export async function unlockUserCommand(config: Config, emailOrId: string): Promise<void> {
  const app = await openForCommand(config);
  try {
    const { id, email } = await findAccount(app, emailOrId);
    const hadFailures = await unlockUser(app, {
      actor: COMMAND_LINE,
      userId: id,
      origin: originOf('unlock'),
    });
    console.log(
      hadFailures
        ? `${email} (${id}) has no failed logins any more, and is not locked.`
        : `${email} (${id}) had no failed logins; nothing has been changed.`,
    );
  } finally {
    await closeApp(app);
  }
}

async function findAccount({ users }: App, emailOrId: string) {
  const found = UUID.test(emailOrId)
    ? await users.findById(emailOrId.toLowerCase())
    : emailOrId.includes('@')
      ? await users.findByIdentifier(emailKey(emailOrId))
      : undefined;
  if (found !== undefined) return found;
  throw new DomainError('USER_NOT_FOUND', 'There is no account with this e-mail address or id.');
}
