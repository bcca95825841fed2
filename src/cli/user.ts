// latchkey user: what is done to accounts by whoever may start a command beside the database.

import type { App } from '../app.ts';
import { closeApp } from '../app.ts';
import type { Config } from '../config.ts';
import { emailKey } from '../domain/account/email-address.ts';
import type { CallOrigin } from '../domain/audit/audit-event.ts';
import { DomainError } from '../domain/errors.ts';
import { grantSuperAdmin } from '../domain/managed-user/change-role.ts';
import { openForCommand } from './open-for-command.ts';

const ORIGIN: CallOrigin = {
  ipAddress: '',
  userAgent: 'latchkey user grant-super-admin',
  requestId: '',
};

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Makes the account with this address or id a super_admin, beside a running service or, embedded, in its place; running nodes know within a
 * second or so. Says what has been done. Errors: DomainError USER_NOT_FOUND, ACCOUNT_SUSPENDED; ConfigError; the driver's.
 */
export async function grantSuperAdminCommand(config: Config, emailOrId: string): Promise<void> {
  const app = await openForCommand(config);
  try {
    const { id, email } = await findAccount(app, emailOrId);
    const isNew = await grantSuperAdmin(app, { userId: id, origin: ORIGIN });
    console.log(
      isNew
        ? `${email} (${id}) is a super_admin now, and has to log in again.`
        : `${email} (${id}) is a super_admin already; nothing has been changed.`,
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
