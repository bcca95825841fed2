// `latchkey user create`: an account with a link or password that the command prints, for where no email is sent or the operator passes it on.

import { COMMAND_LINE } from '../access/authority.ts';
import type { PasswordHasher } from '../password/password-hasher.ts';
import type { ActionTokenStore } from '../action-token/action-token.ts';
import type { AuditedDeps } from '../audit/audited.ts';
import type { ActionLinkDeps } from '../mail/action-link.ts';
import { newActionLink } from '../mail/action-link.ts';
import type { AccountStores, CreateUserInput } from './create-user.ts';
import { createAccount } from './create-user.ts';

type CommandStores = AccountStores & {
  readonly actionTokens: Pick<ActionTokenStore, 'insert' | 'deleteAll'>;
};

export type CreateUserByCommandDeps = AuditedDeps<CommandStores> &
  ActionLinkDeps & {
    readonly passwordHasher: Pick<PasswordHasher, 'hash'>;
    /** A password that no policy refuses, with at least 128 bits of entropy. */
    readonly newPassword: () => string;
  };

export type CreateUserByCommandInput = Omit<CreateUserInput, 'actor'> & {
  /** `link` sets a password and proves no address, for it was not mailed; `password` is one that is made here. */
  readonly entry: 'link' | 'password';
  /** Whether the operator vouches for the address. */
  readonly emailVerified: boolean;
};

/** The account's id, and the link or password: it is shown once, and kept nowhere as it is. Errors: as `createUser`. */
export async function createUserByCommand(
  deps: CreateUserByCommandDeps,
  { entry, ...input }: CreateUserByCommandInput,
): Promise<{ readonly id: string; readonly secret: string }> {
  const account = { ...input, actor: COMMAND_LINE, details: { by: 'command line', entry } };
  if (entry === 'link')
    return createAccount(deps, account, async (stores: CommandStores, { id }) => ({
      id,
      secret: await newActionLink(deps, stores, 'invitation', id, {}),
    }));
  const password = deps.newPassword();
  const passwordHash = await deps.passwordHasher.hash(password);
  return createAccount(deps, { ...account, passwordHash }, async (_stores, { id }) => ({
    id,
    secret: password,
  }));
}
