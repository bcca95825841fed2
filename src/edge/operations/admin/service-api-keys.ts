// AdminService: the keys of programs.

import { create } from '@bufbuild/protobuf';
import { requireScopes } from '../../../domain/access/access-rule.ts';
import { actorOf } from '../../../domain/access/authority.ts';
import { keyBehind } from '../../../domain/access/principal.ts';
import { DEFAULT_OVERLAP_MS, MAX_OVERLAP_MS } from '../../../domain/api-key/rotate-api-key.ts';
import { MANAGING_SCOPES } from '../../../domain/service-account/acting.ts';
import type { CreateServiceApiKeyDeps } from '../../../domain/service-account/create-service-api-key.ts';
import { createServiceApiKey } from '../../../domain/service-account/create-service-api-key.ts';
import type { RevokeServiceApiKeyDeps } from '../../../domain/service-account/revoke-service-api-key.ts';
import { revokeServiceApiKey } from '../../../domain/service-account/revoke-service-api-key.ts';
import type { RotateServiceApiKeyDeps } from '../../../domain/service-account/rotate-service-api-key.ts';
import { rotateServiceApiKey } from '../../../domain/service-account/rotate-service-api-key.ts';
import type { UpdateServiceApiKeyDeps } from '../../../domain/service-account/update-service-api-key.ts';
import { updateServiceApiKey } from '../../../domain/service-account/update-service-api-key.ts';
import type { AdminService } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import {
  CreateServiceApiKeyResponseSchema,
  RevokeServiceApiKeyResponseSchema,
  RotateServiceApiKeyResponseSchema,
  UpdateServiceApiKeyResponseSchema,
} from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import type { Call } from '../../pipeline/call.ts';
import type { CallerDeps } from '../../pipeline/caller.ts';
import { noteRefusal } from '../../pipeline/caller.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeApiKey, readKeyChange, readNewKey } from '../api-key-fields.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type ServiceApiKeyHandlersDeps = CreateServiceApiKeyDeps &
  RotateServiceApiKeyDeps &
  UpdateServiceApiKeyDeps &
  RevokeServiceApiKeyDeps &
  Pick<CallerDeps, 'accessRefusals'>;

export type ServiceApiKeyHandlers = Pick<
  ServiceHandlers<typeof AdminService>,
  'createServiceApiKey' | 'rotateServiceApiKey' | 'updateServiceApiKey' | 'revokeServiceApiKey'
>;

/** AdminService: the keys of programs. */
export function serviceApiKeyHandlers(deps: ServiceApiKeyHandlersDeps): ServiceApiKeyHandlers {
  return {
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

    async rotateServiceApiKey(request, call) {
      const apiKeyId = readKeyId(deps, call, 'api_key_id', request.apiKeyId);
      const reader = new RequestReader();
      const overlapMs = reader.duration('overlap', request.overlap, MAX_OVERLAP_MS) ?? DEFAULT_OVERLAP_MS;
      reader.finish();
      const actor = actorOf(call.requirePrincipal());
      const { apiKey, secret } = await rotateServiceApiKey(deps, {
        actor,
        apiKeyId,
        overlapMs,
        origin: call.origin,
      });
      return create(RotateServiceApiKeyResponseSchema, { apiKey: encodeApiKey(apiKey), secret });
    },

    async updateServiceApiKey(request, call) {
      const apiKeyId = readKeyId(deps, call, 'api_key.id', request.apiKey?.id ?? '');
      const reader = new RequestReader();
      const change = readKeyChange(reader, request, deps.clock.now());
      reader.finish();
      const actor = actorOf(call.requirePrincipal());
      const apiKey = await updateServiceApiKey(deps, { actor, apiKeyId, change, origin: call.origin });
      return create(UpdateServiceApiKeyResponseSchema, { apiKey: encodeApiKey(apiKey) });
    },

    async revokeServiceApiKey(request, call) {
      const reader = new RequestReader();
      const apiKeyId = reader.uuid('api_key_id', request.apiKeyId);
      reader.finish();
      const actor = actorOf(call.requirePrincipal());
      const { includeMadeKeys } = request;
      const ended = await revokeServiceApiKey(deps, {
        actor,
        apiKeyId,
        includeMadeKeys,
        origin: call.origin,
      });
      return create(RevokeServiceApiKeyResponseSchema, { revokedApiKeyIds: [...ended] });
    },
  };
}

// The key by which the call is made when none is named. A caller who names another needs the scope for that before anything is looked up.
function readKeyId(deps: ServiceApiKeyHandlersDeps, call: Call, field: string, raw: string): string {
  const principal = call.requirePrincipal();
  const own = keyBehind(principal);
  const reader = new RequestReader();
  const apiKeyId = reader.uuid(field, raw === '' ? (own ?? '') : raw);
  try {
    if (apiKeyId !== own || principal.kind !== 'service') requireScopes(principal, MANAGING_SCOPES);
  } catch (error) {
    noteRefusal(deps, error, principal, call);
    throw error;
  }
  reader.finish();
  return apiKeyId;
}
