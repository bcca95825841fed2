// Accounts made and logged in by calls, one by one; accounts.ts makes them in bulk.

import type { Client } from '@connectrpc/connect';
import type { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import type { TokenSet } from '../../gen/latchkey/v1/token_pb.ts';
import { GOOD_PASSWORD } from '../support/service.ts';

type Auth = Client<typeof AuthService>;

/** Registers an account by this address. */
export async function register(auth: Auth, email: string): Promise<void> {
  await auth.register({ email, password: GOOD_PASSWORD, fullName: 'Bench' });
}

/** Logs the account in. Errors: the login gave no tokens. */
export async function logIn(auth: Auth, identifier: string): Promise<TokenSet> {
  const { outcome } = await auth.login({ identifier, password: GOOD_PASSWORD });
  if (outcome.case !== 'tokens') throw new Error(`the login of ${identifier} gave no tokens`);
  return outcome.value;
}
