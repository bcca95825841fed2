// Checks a single-use token that a caller presents, before it is used.

import type { AuditKind, AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import { DomainError } from '../errors.ts';
import type { ActionPurpose, ActionToken, ActionTokenCodec, ActionTokenStore } from './action-token.ts';

export type PresentTokenDeps = Stamp & {
  readonly actionTokens: Pick<ActionTokenStore, 'find'>;
  readonly actionTokenCodec: Pick<ActionTokenCodec, 'read'>;
  readonly audit: AuditLog;
};

/** What is audited when a token that we know is refused. */
export type PresentedFor = {
  readonly purpose: ActionPurpose;
  readonly kind: AuditKind;
  readonly origin: CallOrigin;
  /** The one account whose token it may be; any account's when undefined. */
  readonly userId?: string;
};

/** The text is no token of this purpose, or not any more: one answer for every case. */
export function tokenInvalid(): DomainError {
  return new DomainError('TOKEN_INVALID', 'This link is not good, or has been used. Ask for a new one.');
}

/** The live token of this purpose that `text` is; it is not used by that. Errors: TOKEN_INVALID, TOKEN_EXPIRED (audited), STORAGE_UNAVAILABLE. */
export async function presentToken(
  deps: PresentTokenDeps,
  text: string,
  context: PresentedFor,
): Promise<ActionToken> {
  const presented = deps.actionTokenCodec.read(context.purpose, text);
  const token = presented && (await deps.actionTokens.find(context.purpose, presented));
  if (token === undefined) throw tokenInvalid();
  const isAnothers = context.userId !== undefined && context.userId !== token.userId;
  if (isAnothers) return refuseToken(deps, token, context, tokenInvalid());
  if (token.expireTime > deps.clock.now()) return token;
  return refuseToken(
    deps,
    token,
    context,
    new DomainError('TOKEN_EXPIRED', 'This link has expired. Ask for a new one.'),
  );
}

/** Audits, as the account's own event, that its token was presented in vain, and throws `error`. */
export async function refuseToken(
  deps: Stamp & { readonly audit: AuditLog },
  token: ActionToken,
  { kind, origin }: PresentedFor,
  error: DomainError,
): Promise<never> {
  const account = { accountId: token.userId, targetId: token.userId };
  await deps.audit.append(
    auditEvent(deps, { kind, outcome: 'refused', reason: error.reason, origin, ...account }),
  );
  throw error;
}

/** A text that the token carries; undefined when it carries none by this name. */
export function payloadText(token: ActionToken, name: string): string | undefined {
  const value = token.payload[name];
  return typeof value === 'string' ? value : undefined;
}
