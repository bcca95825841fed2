// AdminService: programs.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { actorOf } from '../../../domain/access/authority.ts';
import { readScopes } from '../../../domain/access/scope.ts';
import type { PageTokenCodec } from '../../../domain/paging.ts';
import type { CreateServiceAccountDeps } from '../../../domain/service-account/create-service-account.ts';
import { createServiceAccount } from '../../../domain/service-account/create-service-account.ts';
import type { DeleteServiceAccountDeps } from '../../../domain/service-account/delete-service-account.ts';
import { deleteServiceAccount } from '../../../domain/service-account/delete-service-account.ts';
import type { ListServiceAccountsDeps } from '../../../domain/service-account/list-service-accounts.ts';
import { listServiceAccounts } from '../../../domain/service-account/list-service-accounts.ts';
import type { ServiceAccount } from '../../../domain/service-account/service-account.ts';
import { readServiceName } from '../../../domain/service-account/service-account.ts';
import type { AdminService } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import {
  CreateServiceAccountResponseSchema,
  DeleteServiceAccountResponseSchema,
  ListServiceAccountsResponseSchema,
} from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import type { ServiceAccountSchema } from '../../../../gen/latchkey/v1/service_account_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { PAGE_SIZE, readPosition, writePosition } from '../../messages/page-token.ts';
import { encodeApiKey } from '../api-key-fields.ts';
import type { ServiceHandlers } from '../handlers.ts';
import type { ServiceApiKeyHandlers, ServiceApiKeyHandlersDeps } from './service-api-keys.ts';
import { serviceApiKeyHandlers } from './service-api-keys.ts';

export type ServiceAccountHandlersDeps = CreateServiceAccountDeps &
  DeleteServiceAccountDeps &
  ListServiceAccountsDeps &
  ServiceApiKeyHandlersDeps & { readonly pageTokenCodec: PageTokenCodec };

const QUERY = 'service-accounts';

/** AdminService: programs, and their keys. */
export function serviceAccountHandlers(
  deps: ServiceAccountHandlersDeps,
): Pick<
  ServiceHandlers<typeof AdminService>,
  'createServiceAccount' | 'listServiceAccounts' | 'deleteServiceAccount' | keyof ServiceApiKeyHandlers
> {
  return {
    ...serviceApiKeyHandlers(deps),

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

    async deleteServiceAccount(request, call) {
      const reader = new RequestReader();
      const serviceAccountId = reader.uuid('service_account_id', request.serviceAccountId);
      reader.finish();
      const actor = actorOf(call.requirePrincipal());
      const { includeMadeKeys } = request;
      await deleteServiceAccount(deps, { actor, serviceAccountId, includeMadeKeys, origin: call.origin });
      return create(DeleteServiceAccountResponseSchema);
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
