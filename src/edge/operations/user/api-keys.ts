// UserService: the caller's API keys.

import { create } from '@bufbuild/protobuf';
import { createApiKey } from '../../../domain/api-key/create-api-key.ts';
import type { ListApiKeysDeps } from '../../../domain/api-key/list-api-keys.ts';
import { listApiKeys } from '../../../domain/api-key/list-api-keys.ts';
import type { RevokeApiKeyDeps } from '../../../domain/api-key/revoke-api-key.ts';
import { revokeApiKey } from '../../../domain/api-key/revoke-api-key.ts';
import type { RotateApiKeyDeps } from '../../../domain/api-key/rotate-api-key.ts';
import { DEFAULT_OVERLAP_MS, MAX_OVERLAP_MS, rotateApiKey } from '../../../domain/api-key/rotate-api-key.ts';
import type { UpdateApiKeyDeps } from '../../../domain/api-key/update-api-key.ts';
import { updateApiKey } from '../../../domain/api-key/update-api-key.ts';
import type { PageTokenCodec } from '../../../domain/paging.ts';
import type { UserService } from '../../../../gen/latchkey/v1/user_service_pb.ts';
import {
  CreateApiKeyResponseSchema,
  ListApiKeysResponseSchema,
  RevokeApiKeyResponseSchema,
  RotateApiKeyResponseSchema,
  UpdateApiKeyResponseSchema,
} from '../../../../gen/latchkey/v1/user_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { PAGE_SIZE, readPosition, writePosition } from '../../messages/page-token.ts';
import { encodeApiKey, readKeyChange, readNewKey } from '../api-key-fields.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type ApiKeyHandlersDeps = RotateApiKeyDeps &
  UpdateApiKeyDeps &
  RevokeApiKeyDeps &
  ListApiKeysDeps & { readonly pageTokenCodec: PageTokenCodec };

/** UserService: the caller's API keys. */
export function apiKeyHandlers(
  deps: ApiKeyHandlersDeps,
): Pick<
  ServiceHandlers<typeof UserService>,
  'createApiKey' | 'listApiKeys' | 'rotateApiKey' | 'updateApiKey' | 'revokeApiKey'
> {
  return {
    async createApiKey(request, call) {
      const reader = new RequestReader();
      const newKey = readNewKey(reader, request, deps.clock.now());
      if (request.scopes.length === 0) reader.add('scopes', 'must hold at least one scope');
      reader.finish();
      await call.charge();
      const { subjectId: ownerId, version: ownerVersion } = call.requirePrincipal();
      const owner = { ownerId, ownerVersion };
      const { apiKey, secret } = await createApiKey(deps, { ...newKey, ...owner, origin: call.origin });
      return create(CreateApiKeyResponseSchema, { apiKey: encodeApiKey(apiKey), secret });
    },

    async listApiKeys(request, call) {
      const ownerId = call.requirePrincipal().subjectId;
      const query = `api-keys/${ownerId}`;
      const reader = new RequestReader();
      const pageSize = reader.pageSize('page_size', request.pageSize, PAGE_SIZE);
      reader.finish();
      const before = readPosition(deps.pageTokenCodec, query, request.pageToken);
      const { items, next } = await listApiKeys(deps, { ownerId, pageSize, before });
      return create(ListApiKeysResponseSchema, {
        apiKeys: items.map(encodeApiKey),
        nextPageToken: writePosition(deps.pageTokenCodec, query, next),
      });
    },

    async rotateApiKey(request, call) {
      const reader = new RequestReader();
      const apiKeyId = reader.uuid('api_key_id', request.apiKeyId);
      const overlapMs = reader.duration('overlap', request.overlap, MAX_OVERLAP_MS) ?? DEFAULT_OVERLAP_MS;
      reader.finish();
      await call.charge();
      const { subjectId: ownerId, version: ownerVersion } = call.requirePrincipal();
      const { apiKey, secret } = await rotateApiKey(deps, {
        ownerId,
        ownerVersion,
        apiKeyId,
        overlapMs,
        origin: call.origin,
      });
      return create(RotateApiKeyResponseSchema, { apiKey: encodeApiKey(apiKey), secret });
    },

    async updateApiKey(request, call) {
      const reader = new RequestReader();
      const apiKeyId = reader.uuid('api_key.id', request.apiKey?.id ?? '');
      const change = readKeyChange(reader, request, deps.clock.now());
      reader.finish();
      const ownerId = call.requirePrincipal().subjectId;
      const apiKey = await updateApiKey(deps, { ownerId, apiKeyId, change, origin: call.origin });
      return create(UpdateApiKeyResponseSchema, { apiKey: encodeApiKey(apiKey) });
    },

    async revokeApiKey(request, call) {
      const reader = new RequestReader();
      const apiKeyId = reader.uuid('api_key_id', request.apiKeyId);
      reader.finish();
      const ownerId = call.requirePrincipal().subjectId;
      await revokeApiKey(deps, { ownerId, apiKeyId, origin: call.origin });
      return create(RevokeApiKeyResponseSchema);
    },
  };
}
