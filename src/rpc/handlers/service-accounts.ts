// AdminService: programs and their keys.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { actorOf } from '../../domain/access/authority.ts';
import { readScopes } from '../../domain/access/scope.ts';
import type { PageTokenCodec } from '../../domain/paging.ts';
import type { CreateServiceAccountDeps } from '../../domain/service-account/create-service-account.ts';
import { createServiceAccount } from '../../domain/service-account/create-service-account.ts';
import type { CreateServiceApiKeyDeps } from '../../domain/service-account/create-service-api-key.ts';
import { createServiceApiKey } from '../../domain/service-account/create-service-api-key.ts';
import type { ListServiceAccountsDeps } from '../../domain/service-account/list-service-accounts.ts';
import { listServiceAccounts } from '../../domain/service-account/list-service-accounts.ts';
import type { RevokeServiceApiKeyDeps } from '../../domain/service-account/revoke-service-api-key.ts';
import { revokeServiceApiKey } from '../../domain/service-account/revoke-service-api-key.ts';
import type { ServiceAccount } from '../../domain/service-account/service-account.ts';
import { readServiceName } from '../../domain/service-account/service-account.ts';
import type { AdminService } from '../../../gen/latchkey/v1/admin_service_pb.ts';
import {
  CreateServiceAccountResponseSchema,
  CreateServiceApiKeyResponseSchema,
  ListServiceAccountsResponseSchema,
  RevokeServiceApiKeyResponseSchema,
} from '../../../gen/latchkey/v1/admin_service_pb.ts';
import type { ServiceAccountSchema } from '../../../gen/latchkey/v1/service_account_pb.ts';
import { RequestReader } from '../decode.ts';
import { PAGE_SIZE, readPosition, writePosition } from '../page-token.ts';
import { encodeApiKey, readNewKey } from './api-key-fields.ts';
import type { ServiceHandlers } from './handlers.ts';

export type ServiceAccountHandlersDeps = CreateServiceAccountDeps &
  CreateServiceApiKeyDeps &
  ListServiceAccountsDeps &
  RevokeServiceApiKeyDeps & { readonly pageTokenCodec: PageTokenCodec };

const QUERY = 'service-accounts';

/** AdminService: programs and their keys. */
export function serviceAccountHandlers(
  deps: ServiceAccountHandlersDeps,
): Pick<
  ServiceHandlers<typeof AdminService>,
  'createServiceAccount' | 'listServiceAccounts' | 'createServiceApiKey' | 'revokeServiceApiKey'
> {
  return {
    async createServiceAccount(request, call) {
      const reader = new RequestReader();
      const name = readServiceName(reader, 'name', request.name);
      const scopes = readScopes(reader, 'scopes', request.scopes);
      if (request.scopes.length === 0) reader.add('scopes', 'must hold at least one scope');
      reader.finish();
      const actor = actorOf(call.requirePrincipal());
      const account = await createServiceAccount(deps, { actor, name, scopes, origin: call.origin });
      return create(CreateServiceAccountResponseSchema, { serviceAccount: encodeAccount(account) });
    },

    async listServiceAccounts(request) {
      const reader = new RequestReader();
      const pageSize = reader.pageSize('page_size', request.pageSize, PAGE_SIZE);
      reader.finish();
      const before = readPosition(deps.pageTokenCodec, QUERY, request.pageToken);
      const { items, next } = await listServiceAccounts(deps, { pageSize, before });
      return create(ListServiceAccountsResponseSchema, {
        serviceAccounts: items.map(encodeAccount),
        nextPageToken: writePosition(deps.pageTokenCodec, QUERY, next),
      });
    },

    async createServiceApiKey(request, call) {
      const reader = new RequestReader();
      const serviceAccountId = reader.uuid('service_account_id', request.serviceAccountId);
      const newKey = readNewKey(reader, request, deps.clock.now());
      reader.finish();
      const actor = actorOf(call.requirePrincipal());
      const { apiKey, secret } = await createServiceApiKey(deps, {
        ...newKey,
        actor,
        serviceAccountId,
        origin: call.origin,
      });
      return create(CreateServiceApiKeyResponseSchema, { apiKey: encodeApiKey(apiKey), secret });
    },

    async revokeServiceApiKey(request, call) {
      const reader = new RequestReader();
      const apiKeyId = reader.uuid('api_key_id', request.apiKeyId);
      reader.finish();
      const actor = actorOf(call.requirePrincipal());
      await revokeServiceApiKey(deps, { actor, apiKeyId, origin: call.origin });
      return create(RevokeServiceApiKeyResponseSchema);
    },
  };
}

function encodeAccount(account: ServiceAccount): MessageInitShape<typeof ServiceAccountSchema> {
  return {
    id: account.id,
    name: account.name,
    scopes: [...account.scopes],
    createTime: timestampFromMs(account.createTime),
    apiKeys: account.apiKeys.map(encodeApiKey),
  };
}
