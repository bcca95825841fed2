// UserService: what happened to the account.

import type { UserService } from '../../../gen/latchkey/v1/user_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type SecurityEventHandlersDeps = object;

/** UserService: what happened to the account. */
export function securityEventHandlers(
  _deps: SecurityEventHandlersDeps,
): Pick<ServiceHandlers<typeof UserService>, 'listSecurityEvents'> {
  return {
    async listSecurityEvents() {
      throw new Error('not built');
    },
  };
}
