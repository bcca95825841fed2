// The end of all that an account is entered by: its sessions, its tokens, what they have begun, and, where asked, its API keys.

import type { UserStore } from '../account/user-store.ts';
import type { ActionPurpose, ActionTokenStore } from '../action-token/action-token.ts';
import type { OwnApiKeyStore } from '../api-key/api-key.ts';
import type { AuditEvent } from '../audit/audit-event.ts';
import type { RevocationStore } from '../revocation/revocation-store.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { revocation } from '../revocation/revocation.ts';
import type { TokenPolicy } from '../token/access-token.ts';

export type EndCredentialsStores = {
  readonly users: Pick<UserStore, 'raiseEpochs'>;
  readonly revocations: Pick<RevocationStore, 'insert'>;
  readonly actionTokens: Pick<ActionTokenStore, 'deleteAll'>;
};

export type EndKeysStores = EndCredentialsStores & {
  readonly ownApiKeys: Pick<OwnApiKeyStore, 'endAll'>;
};

export type EndCredentialsDeps = { readonly tokenPolicy: Pick<TokenPolicy, 'accessTokenTtlMs'> };

export type EndCredentialsInput = {
  readonly userId: string;
  /** Which single-use tokens end too. */
  readonly purposes: readonly ActionPurpose[];
  readonly now: number;
};

/**
 * Ends every session and every token of the account, in a transaction of the caller's, at a cost that does not grow with their number. API keys
 * live on; tokens that were exchanged for them do not. Nodes that have cached a key or a session read it again. Answers what the caller must
 * publish after the commit; nothing, and nothing is written, when there is no such account.
 */
export async function endCredentials(
  { tokenPolicy }: EndCredentialsDeps,
  stores: EndCredentialsStores,
  { userId, purposes, now }: EndCredentialsInput,
): Promise<readonly Revocation[]> {
  const minVersion = await stores.users.raiseEpochs(userId, now);
  if (minVersion === undefined) return [];
  const subject = revocation({ form: 'subject', id: userId, minVersion }, now, tokenPolicy.accessTokenTtlMs);
  const kept = await stores.revocations.insert(subject);
  await stores.actionTokens.deleteAll(userId, purposes);
  return [kept];
}

/** What an audit event says of API keys that ended with its act. */
export function keysEnded(hasEnded: boolean): Pick<AuditEvent, 'details'> {
  return hasEnded ? { details: { api_keys: 'ended' } } : {};
}

/** As `endCredentials`, and the account's API keys end too. */
export async function endCredentialsAndKeys(
  deps: EndCredentialsDeps,
  stores: EndKeysStores,
  input: EndCredentialsInput,
): Promise<readonly Revocation[]> {
  const { userId, now } = input;
  // First the account: a transaction that makes a key for it locks its row, and is seen, or waits.
  const subject = await endCredentials(deps, stores, input);
  const ending = revocation({ form: 'session', id: userId }, now, deps.tokenPolicy.accessTokenTtlMs);
  const keys = await stores.ownApiKeys.endAll(userId, now, ending.expireTime);
  return [...subject, ...keys];
}
