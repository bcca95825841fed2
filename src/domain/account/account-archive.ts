// Port: what is kept about an account beside its profile and its sessions. Never a secret, nor what one could be checked against.

import type { AuditEvent } from '../audit/audit-event.ts';

/** An API key as its owner may see it. Times are epoch milliseconds. */
export type ArchivedApiKey = {
  readonly id: string;
  readonly displayName: string;
  readonly scopes: readonly string[];
  readonly allowedCidrs: readonly string[];
  readonly createTime: number;
  readonly expireTime: number | undefined;
  readonly revokeTime: number | undefined;
  readonly lastUsedTime: number | undefined;
  readonly useCount: number;
};

export type ArchivedFactors = {
  /** When the authenticator app was confirmed; undefined when there is none. */
  readonly totpConfirmTime: number | undefined;
  readonly backupCodesLeft: number;
  readonly knownDevices: number;
};

/** What was audited, of any kind that some version of this service wrote. */
export type ArchivedEvent = Omit<AuditEvent, 'kind'> & { readonly kind: string };

export type AccountArchive = {
  /** Newest first, revoked ones too. */
  apiKeysOf(userId: string, limit: number): Promise<readonly ArchivedApiKey[]>;
  factorsOf(userId: string): Promise<ArchivedFactors>;
  /** Newest first. */
  eventsOf(accountId: string, limit: number): Promise<readonly ArchivedEvent[]>;
};
