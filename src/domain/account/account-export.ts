// The document that people take their data away in (GDPR, articles 15 and 20): plain JSON, times as RFC 3339 texts.

import { withoutForeignOrigin } from '../audit/security-events.ts';
import type { Session } from '../session/session.ts';
import type { AccountArchive, ArchivedApiKey, ArchivedEvent, ArchivedFactors } from './account-archive.ts';
import type { User } from './user.ts';

/** What the document is made from. Lists are newest first, one longer than their limit when there is more. */
export type ExportSource = {
  readonly now: number;
  readonly user: User;
  readonly sessions: readonly Session[];
  readonly apiKeys: Awaited<ReturnType<AccountArchive['apiKeysOf']>>;
  readonly factors: ArchivedFactors;
  readonly events: Awaited<ReturnType<AccountArchive['eventsOf']>>;
};

/** How many of each the document holds at most, the newest. */
export const EXPORT_LIMITS = { sessions: 500, apiKeys: 200, securityEvents: 10_000 } as const;
// A gRPC client accepts responses of 4 MiB by default: events fill what the rest leaves of it.
const MAX_EVENT_BYTES = 2_500_000;

/** A list of the document, and whether it holds all there is. */
type Part = { readonly items: readonly object[]; readonly isWhole: boolean };

/** The document. It names the lists that were cut in `truncated`. It holds no secret, and nothing that one could be checked against. */
export function accountExport(source: ExportSource): object {
  const sessions = part(source.sessions, EXPORT_LIMITS.sessions, exportSession);
  const apiKeys = part(source.apiKeys, EXPORT_LIMITS.apiKeys, exportApiKey);
  const events = within(
    MAX_EVENT_BYTES,
    part(source.events, EXPORT_LIMITS.securityEvents, (event) => exportEvent(event, source.user.id)),
  );
  const lists: ReadonlyArray<readonly [string, Part]> = [
    ['sessions', sessions],
    ['apiKeys', apiKeys],
    ['securityEvents', events],
  ];
  return {
    exportTime: text(source.now),
    user: exportUser(source.user),
    secondFactors: exportFactors(source),
    knownDevices: source.factors.knownDevices,
    ...Object.fromEntries(lists.map(([name, { items }]) => [name, items])),
    truncated: lists.filter(([, { isWhole }]) => !isWhole).map(([name]) => name),
  };
}

function part<Item>(found: readonly Item[], limit: number, toObject: (item: Item) => object): Part {
  return { items: found.slice(0, limit).map(toObject), isWhole: found.length <= limit };
}

function within(maxBytes: number, { items, isWhole }: Part): Part {
  const encoder = new TextEncoder();
  let bytes = 0;
  const first = items.findIndex((item) => {
    bytes += encoder.encode(JSON.stringify(item)).length + 1;
    return bytes > maxBytes;
  });
  return first === -1 ? { items, isWhole } : { items: items.slice(0, first), isWhole: false };
}

function exportUser(user: User): object {
  const { id, email, username, fullName, role, status, emailVerified } = user;
  const times = {
    createTime: text(user.createTime),
    updateTime: text(user.updateTime),
    lastLoginTime: text(user.lastLoginTime),
  };
  return { id, email, username, fullName, role, status, emailVerified, ...times };
}

function exportFactors({ user, factors }: ExportSource): object {
  const { backupCodesLeft, totpConfirmTime } = factors;
  return { enabled: user.mfaEnabled, totpConfirmTime: text(totpConfirmTime), backupCodesLeft };
}

function exportSession(session: Session): object {
  const { id, deviceName, ipAddress, userAgent, amr, scopes } = session;
  const times = {
    createTime: text(session.createTime),
    lastSeenTime: text(session.lastSeenTime),
    expireTime: text(session.expireTime),
  };
  return { id, deviceName, ipAddress, userAgent, amr, scopes, ...times };
}

function exportApiKey(key: ArchivedApiKey): object {
  const { createTime, expireTime, revokeTime, lastUsedTime, ...rest } = key;
  const times = {
    createTime: text(createTime),
    expireTime: text(expireTime),
    revokeTime: text(revokeTime),
    lastUsedTime: text(lastUsedTime),
  };
  return { ...rest, ...times };
}

// As ListSecurityEvents lists them, with details; those of another actor's act are left out, like its origin.
function exportEvent(event: ArchivedEvent, ownerId: string): object {
  const isOwn = event.actorId === undefined || event.actorId === ownerId;
  const { origin, accountId: _own, time, details, ...rest } = withoutForeignOrigin(event, ownerId);
  return { ...rest, ...(isOwn && details !== undefined ? { details } : {}), time: text(time), ...origin };
}

/** Undefined, which JSON leaves out, for a time that is not there. */
function text(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}
