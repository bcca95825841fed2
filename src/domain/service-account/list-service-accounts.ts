// ListServiceAccounts: programs with their live keys, newest first, a page at a time.

import type { Clock } from '../clock.ts';
import type { PagePosition } from '../paging.ts';
import { pageOf } from '../paging.ts';
import type { ServiceAccountStore, ServiceApiKeyStore } from './service-account.ts';

export type ListServiceAccountsDeps = {
  readonly serviceAccounts: Pick<ServiceAccountStore, 'list'>;
  readonly serviceApiKeys: Pick<ServiceApiKeyStore, 'listLive'>;
  readonly clock: Clock;
};

export type ListServiceAccountsInput = {
  readonly pageSize: number;
  readonly before: PagePosition | undefined;
};

/** A page of the accounts, and where the next one begins (undefined on the last). Errors: STORAGE_UNAVAILABLE. */
export async function listServiceAccounts(
  deps: ListServiceAccountsDeps,
  { pageSize, before }: ListServiceAccountsInput,
) {
  const found = await deps.serviceAccounts.list({ before, limit: pageSize + 1 });
  const { items, next } = pageOf(found, pageSize, ({ createTime, id }) => ({ createTime, id }));
  const ids = items.map(({ id }) => id);
  const keys = ids.length === 0 ? [] : await deps.serviceApiKeys.listLive(ids, deps.clock.now());
  const keysOf = Map.groupBy(keys, ({ ownerId }) => ownerId);
  return { items: items.map((account) => ({ ...account, apiKeys: keysOf.get(account.id) ?? [] })), next };
}
