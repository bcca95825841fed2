// Makes an API key: the same for people, for programs, and at the first start.

import type { AuditLog } from '../audit/audit-event.ts';
import type { AuditedAct } from '../audit/audited.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { ApiKey, ApiKeyCodec, ApiKeyStore, NewApiKey } from './api-key.ts';

export type MakeApiKeyDeps = Stamp & { readonly apiKeyCodec: Pick<ApiKeyCodec, 'create'> };

type MakeApiKeyStores = { readonly apiKeys: Pick<ApiKeyStore, 'insert'>; readonly audit: AuditLog };

/** A key and its secret, which is kept nowhere. */
export type CreatedApiKey = { readonly apiKey: ApiKey; readonly secret: string };

/**
 * Keeps a new key, and writes down the act that `actOf` makes of its id, in a transaction of the caller's. What the key may hold has been
 * checked before.
 */
export async function makeApiKey(
  deps: MakeApiKeyDeps,
  stores: MakeApiKeyStores,
  content: Omit<NewApiKey, 'id' | 'digest'>,
  actOf: (id: string) => AuditedAct,
): Promise<CreatedApiKey> {
  const id = deps.newId();
  const { text, digest } = deps.apiKeyCodec.create(id);
  await stores.apiKeys.insert({ ...content, id, digest });
  await stores.audit.append(auditEvent(deps, { ...actOf(id), outcome: 'success' }));
  const { ownerKind: _kind, madeBy: _madeBy, ...shown } = content;
  return { apiKey: { ...shown, id, lastUsedTime: undefined, useCount: 0n }, secret: text };
}
