// The caller's API keys, newest first, a page at a time.

import type { PagePosition } from '../paging.ts';
import { pageOf } from '../paging.ts';
import type { OwnApiKeyStore } from './api-key.ts';

export type ListApiKeysDeps = { readonly ownApiKeys: Pick<OwnApiKeyStore, 'list'> };

export type ListApiKeysInput = {
  readonly ownerId: string;
  readonly pageSize: number;
  readonly before: PagePosition | undefined;
};

/** A page of the keys that are not revoked, and where the next one begins (undefined on the last). Errors: STORAGE_UNAVAILABLE. */
export async function listApiKeys(deps: ListApiKeysDeps, { ownerId, pageSize, before }: ListApiKeysInput) {
  const found = await deps.ownApiKeys.list({ ownerId, before, limit: pageSize + 1 });
  return pageOf(found, pageSize, ({ createTime, id }) => ({ createTime, id }));
}
