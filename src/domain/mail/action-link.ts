// Links that carry a single-use token: made, kept as a digest, and put together.

import type { ActionPurpose, ActionTokenCodec, ActionTokenStore } from '../action-token/action-token.ts';
import { ACTION_TOKEN_TTL_MS } from '../action-token/action-token.ts';
import type { Stamp } from '../audit/record.ts';

export type ActionLinkDeps = Stamp & {
  readonly actionTokenCodec: Pick<ActionTokenCodec, 'create'>;
  /** Where links lead. From the configuration alone: a request's Host header is its sender's choice (CWE-640). */
  readonly publicUrl: string;
};

/** What a link can be for. */
export type LinkPurpose = Exclude<ActionPurpose, 'mfa_challenge'>;

const PATHS: Readonly<Record<LinkPurpose, string>> = {
  password_reset: '/reset-password',
  invitation: '/accept-invitation',
  email_verification: '/verify-email',
  email_change: '/confirm-email',
};

/**
 * A new link, in a transaction of the caller's. It ends those before it for the same purpose, and no others: a reset that a stranger asks for
 * leaves an invitation as it is. `payload` is what using it proves or does.
 */
export async function newActionLink(
  deps: ActionLinkDeps,
  stores: { readonly actionTokens: Pick<ActionTokenStore, 'insert' | 'deleteAll'> },
  purpose: LinkPurpose,
  userId: string,
  payload: Readonly<Record<string, string>>,
): Promise<string> {
  await stores.actionTokens.deleteAll(userId, [purpose]);
  const id = deps.newId();
  const { text, digest } = deps.actionTokenCodec.create(purpose, id);
  const createTime = deps.clock.now();
  const expireTime = createTime + ACTION_TOKEN_TTL_MS[purpose];
  await stores.actionTokens.insert({ id, purpose, userId, digest, payload, createTime, expireTime });
  // In the fragment, which browsers send to no server: the token reaches no access log and no Referer.
  return `${deps.publicUrl}${PATHS[purpose]}#token=${text}`;
}
