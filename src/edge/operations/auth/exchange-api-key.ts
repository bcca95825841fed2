// AuthService: from a key to a short access token.

import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { readScopes } from '../../../domain/access/scope.ts';
import type { ExchangeApiKeyDeps } from '../../../domain/api-key/exchange-api-key.ts';
import { exchangeApiKey } from '../../../domain/api-key/exchange-api-key.ts';
import type { AuthService } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { ExchangeApiKeyResponseSchema } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type ExchangeApiKeyHandlersDeps = ExchangeApiKeyDeps;

/** AuthService: from a key to a short access token. */
export function exchangeApiKeyHandlers(
  deps: ExchangeApiKeyHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'exchangeApiKey'> {
  return {
    async exchangeApiKey(request, call) {
      const reader = new RequestReader();
      const scopes = readScopes(reader, 'scopes', request.scopes);
      reader.finish();
      await call.charge();
      const exchanged = await exchangeApiKey(deps, {
        key: call.requirePrincipal(),
        scopes,
        origin: call.origin,
      });
      return create(ExchangeApiKeyResponseSchema, {
        accessToken: exchanged.accessToken,
        tokenType: 'Bearer',
        expiresIn: durationFromMs(exchanged.expiresIn),
        scopes: [...exchanged.scopes],
      });
    },
  };
}
