// AuthService: from a key to a short access token.

import type { AuthService } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type ExchangeApiKeyHandlersDeps = object;

/** AuthService: from a key to a short access token. */
export function exchangeApiKeyHandlers(
  _deps: ExchangeApiKeyHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'exchangeApiKey'> {
  return {
    async exchangeApiKey() {
      throw new Error('not built');
    },
  };
}
