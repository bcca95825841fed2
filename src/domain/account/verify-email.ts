// VerifyEmail: an address is proved by a link that was mailed to it.

import type { ActionTokenStore } from '../action-token/action-token.ts';
import type { PresentTokenDeps } from '../action-token/present-token.ts';
import { payloadText, presentToken, refuseToken, tokenInvalid } from '../action-token/present-token.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import { auditEvent } from '../audit/record.ts';
import type { Transact } from '../transactions.ts';
import type { EmailStore } from './email-store.ts';

type VerifyStores = {
  readonly emails: Pick<EmailStore, 'markVerified'>;
  readonly actionTokens: Pick<ActionTokenStore, 'consume' | 'deleteAll'>;
  readonly audit: AuditLog;
};

export type VerifyEmailDeps = PresentTokenDeps & { readonly transact: Transact<VerifyStores> };

/**
 * Notes that the address is proved, while it is still the account's. Whoever holds the mail may call: no session is needed, none is opened.
 * Errors: TOKEN_INVALID (also for an account that is not active or has another address now), TOKEN_EXPIRED, STORAGE_UNAVAILABLE.
 */
export async function verifyEmail(
  deps: VerifyEmailDeps,
  { token: text, origin }: { readonly token: string; readonly origin: CallOrigin },
): Promise<void> {
  const context = { purpose: 'email_verification', kind: 'account.email_verification', origin } as const;
  const token = await presentToken(deps, text, context);
  const { userId } = token;
  const isProved = await deps.transact(async (stores) => {
    const key = payloadText(token, 'emailKey') ?? '';
    if (!(await stores.emails.markVerified(userId, key, deps.clock.now()))) return false;
    if ((await stores.actionTokens.consume('email_verification', token)) === undefined) throw tokenInvalid();
    const account = { accountId: userId, targetId: userId };
    await stores.audit.append(
      auditEvent(deps, { kind: context.kind, outcome: 'success', origin, ...account }),
    );
    return true;
  });
  if (!isProved) await refuseToken(deps, token, context, tokenInvalid());
}
