// UserService: the caller's API keys.

import type { UserService } from '../../../gen/latchkey/v1/user_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type ApiKeyHandlersDeps = object;

/** UserService: the caller's API keys. */
export function apiKeyHandlers(
  _deps: ApiKeyHandlersDeps,
): Pick<
  ServiceHandlers<typeof UserService>,
  'createApiKey' | 'listApiKeys' | 'rotateApiKey' | 'revokeApiKey'
> {
  return {
    async createApiKey() {
      throw new Error('not built');
    },

    async listApiKeys() {
      throw new Error('not built');
    },

    async rotateApiKey() {
      throw new Error('not built');
    },

    async revokeApiKey() {
      throw new Error('not built');
    },
  };
}
