// latchkey user create: opens an account, and prints what its owner gets in by.

import { closeApp } from '../app.ts';
import type { Config } from '../config.ts';
import { emailAddress } from '../domain/account/email-address.ts';
import { DEFAULT_ROLE } from '../domain/account/register.ts';
import { username } from '../domain/account/username.ts';
import { ACTION_TOKEN_TTL_MS } from '../domain/action-token/action-token.ts';
import type { FieldViolation } from '../domain/errors.ts';
import { validationFailed } from '../domain/errors.ts';
import { createUserByCommand } from '../domain/managed-user/create-user-by-command.ts';
import { checkText } from '../domain/text.ts';
import { openForCommand } from './open-for-command.ts';

/** As the command line has them. */
export type UserCreateOptions = {
  readonly username?: string;
  readonly fullName?: string;
  readonly role?: string;
  readonly generatePassword?: boolean;
  readonly emailVerified?: boolean;
};

const ORIGIN = { ipAddress: '', userAgent: 'latchkey user create', requestId: '' };
const DAY_MS = 86_400_000;

/**
 * Opens the account beside a running service or, embedded, in its place. The link or password is the only line on standard output, so that a
 * script can take it; what it is stands on standard error. Errors: DomainError VALIDATION_FAILED, EMAIL_TAKEN, USERNAME_TAKEN, ROLE_NOT_FOUND,
 * ROLE_PROTECTED; ConfigError; the driver's.
 */
export async function createUserCommand(
  config: Config,
  email: string,
  options: UserCreateOptions,
): Promise<void> {
  const app = await openForCommand(config);
  try {
    const violations: FieldViolation[] = [];
    const address = emailAddress(app.parseAddress, 'email', email);
    const name = options.username === undefined ? undefined : username('--username', options.username);
    const fullName = checkText((options.fullName ?? email).trim(), {
      field: '--full-name',
      min: 1,
      max: 200,
    });
    for (const read of [address, name, fullName])
      if (read !== undefined && 'violation' in read) violations.push(read.violation);
    if ('violation' in address || 'violation' in fullName || (name !== undefined && 'violation' in name))
      throw validationFailed(violations);
    const entry = options.generatePassword === true ? 'password' : 'link';
    const role = options.role ?? DEFAULT_ROLE;
    const made = await createUserByCommand(app, {
      email: address.address,
      username: name?.username,
      fullName: fullName.text,
      role,
      entry,
      emailVerified: options.emailVerified === true,
      origin: ORIGIN,
    });
    console.error(`${address.address.text} (${made.id}) has an account with the role ${role} now.`);
    console.error(EXPLANATIONS[entry]);
    console.log(made.secret);
  } finally {
    await closeApp(app);
  }
}

const EXPLANATIONS = {
  link:
    'Its owner chooses a password by this link, so that nobody else ever knows it. The link is good once, and for ' +
    `${ACTION_TOKEN_TTL_MS.invitation / DAY_MS} days; it is shown only now, and was not mailed:`,
  password: 'Its password was made here. It is shown only now; let its owner change it:',
} as const;
