// Prepares an email when it is due: its recipient, whether it still makes sense, and the link that it carries.

import type { ActionTokenStore } from '../action-token/action-token.ts';
import { emailKey } from '../account/email-address.ts';
import type { EmailStore } from '../account/email-store.ts';
import type { User } from '../account/user.ts';
import type { AuditEvent, AuditLog } from '../audit/audit-event.ts';
import type { Transact } from '../transactions.ts';
import type { ActionLinkDeps } from './action-link.ts';
import { newActionLink } from './action-link.ts';
import type { LeasedMail, LinkContent, OutboxQueue } from './outbox.ts';
import type { ReadyContent, ReadyMail } from './ready-mail.ts';

type PrepareStores = {
  readonly emails: Pick<EmailStore, 'lockById' | 'lockByKey' | 'findByKey'>;
  readonly actionTokens: Pick<ActionTokenStore, 'insert' | 'deleteAll'>;
  readonly audit: AuditLog;
  readonly outboxQueue: Pick<OutboxQueue, 'markDropped'>;
};

export type PrepareMailDeps = ActionLinkDeps & { readonly transact: Transact<PrepareStores> };

type ContentOf<Template> = Extract<LinkContent, { readonly template: Template }>;
type Addressed = { readonly to: string; readonly content: ReadyContent };

/**
 * The email as it goes out; undefined when its reason is gone, and then it is dropped. A new link ends those before it for the same purpose. What goes to an
 * account goes to the address as the account has it, never as it was typed: two spellings with one key may be two mailboxes (CVE-2019-19844).
 * Errors: STORAGE_UNAVAILABLE, CONFLICT.
 */
export async function prepareMail(deps: PrepareMailDeps, mail: LeasedMail): Promise<ReadyMail | undefined> {
  const { id, createTime, content } = mail;
  if (!carriesLink(content)) return { id, messageId: id, to: mail.to, content, time: createTime };
  const addressed = await deps.transact(async (stores) => {
    const prepared = await prepareLink(deps, stores, mail, content);
    if (prepared === undefined) await stores.outboxQueue.markDropped(mail);
    return prepared;
  });
  return addressed && { id, messageId: `${id}.${mail.attempts}`, time: deps.clock.now(), ...addressed };
}

function carriesLink(content: LeasedMail['content']): content is LinkContent {
  return LINK_TEMPLATES.has(content.template);
}

const LINK_TEMPLATES: ReadonlySet<string> = new Set<LinkContent['template']>([
  'verify_email',
  'password_reset',
  'invitation',
  'forced_password_reset',
  'address_proved',
  'email_change',
]);

function prepareLink(deps: PrepareMailDeps, stores: PrepareStores, mail: LeasedMail, content: LinkContent) {
  switch (content.template) {
    case 'verify_email':
      return prepareVerification(deps, stores, mail, content);
    case 'password_reset':
      return prepareReset(deps, stores, mail, content);
    case 'invitation':
    case 'forced_password_reset':
    case 'address_proved':
      return prepareOperatorsLink(deps, stores, content);
    case 'email_change':
      return prepareEmailChange(deps, stores, mail, content);
  }
}

async function prepareVerification(
  deps: PrepareMailDeps,
  stores: PrepareStores,
  mail: LeasedMail,
  content: ContentOf<'verify_email'>,
): Promise<Addressed | undefined> {
  const user = await stores.emails.lockByKey(emailKey(mail.to));
  if (user?.emailVerified === true) return undefined;
  const { origin } = content;
  if (origin !== undefined) {
    await stores.audit.append({
      ...requestEvent(mail, user),
      kind: 'account.email_verification_request',
      origin,
    });
  }
  if (user?.status !== 'active') return undefined;
  const link = await newActionLink(deps, stores, 'email_verification', user.id, {
    emailKey: emailKey(user.email),
  });
  return { to: user.email, content: { template: 'verify_email', link } };
}

async function prepareReset(
  deps: PrepareMailDeps,
  stores: PrepareStores,
  mail: LeasedMail,
  { origin }: ContentOf<'password_reset'>,
): Promise<Addressed | undefined> {
  const user = await stores.emails.lockByKey(emailKey(mail.to));
  await stores.audit.append({ ...requestEvent(mail, user), kind: 'account.password_reset_request', origin });
  if (user?.status !== 'active') return undefined;
  const link = await newActionLink(deps, stores, 'password_reset', user.id, {
    emailKey: emailKey(user.email),
  });
  const { ipAddress } = origin;
  return {
    to: user.email,
    content: { template: 'password_reset', fullName: user.fullName, ipAddress, link },
  };
}

const OPERATORS_LINKS = {
  invitation: 'invitation',
  forced_password_reset: 'password_reset',
  address_proved: 'password_reset',
} as const;

// To whatever address the account has by now: an administrator may have set a mistyped one right.
async function prepareOperatorsLink(
  deps: PrepareMailDeps,
  stores: PrepareStores,
  { template, userId }: ContentOf<keyof typeof OPERATORS_LINKS>,
): Promise<Addressed | undefined> {
  const user = await stores.emails.lockById(userId);
  if (user?.status !== 'active') return undefined;
  const { email, fullName } = user;
  const link = await newActionLink(deps, stores, OPERATORS_LINKS[template], userId, {
    emailKey: emailKey(email),
  });
  return { to: email, content: { template, fullName, link } };
}

async function prepareEmailChange(
  deps: PrepareMailDeps,
  stores: PrepareStores,
  mail: LeasedMail,
  { userId, version, origin }: ContentOf<'email_change'>,
): Promise<Addressed | undefined> {
  const user = await stores.emails.lockById(userId);
  const key = emailKey(mail.to);
  if (user?.status !== 'active' || emailKey(user.email) === key) return undefined;
  // The caller's credentials have been ended meanwhile.
  if (version !== undefined && version !== user.tokenVersion) return undefined;
  // Not locked: two that want each other's address would wait for each other.
  const owner = await stores.emails.findByKey(key);
  if (owner === undefined) {
    const link = await newActionLink(deps, stores, 'email_change', userId, { email: mail.to, emailKey: key });
    return { to: mail.to, content: { template: 'email_change', ipAddress: origin.ipAddress, link } };
  }
  // The owner's event, not the caller's: the caller must not read in their own list that the address is taken.
  await stores.audit.append({
    id: mail.id,
    time: mail.createTime,
    kind: 'account.email_change_request',
    outcome: 'refused',
    reason: 'EMAIL_TAKEN',
    accountId: owner.id,
    actorId: userId,
    targetId: owner.id,
    origin,
  });
  return { to: owner.email, content: { template: 'email_change_taken', ipAddress: origin.ipAddress } };
}

// With the email's id and time, so that it is one event however often the email is prepared.
function requestEvent(
  mail: LeasedMail,
  user: User | undefined,
): Pick<AuditEvent, 'id' | 'time' | 'outcome' | 'reason' | 'accountId' | 'targetId'> {
  const stamp = { id: mail.id, time: mail.createTime };
  if (user === undefined) return { ...stamp, outcome: 'refused', reason: 'USER_NOT_FOUND' };
  const account = { ...stamp, accountId: user.id, targetId: user.id };
  if (user.status === 'active') return { ...account, outcome: 'success' };
  return { ...account, outcome: 'refused', reason: 'ACCOUNT_SUSPENDED' };
}
