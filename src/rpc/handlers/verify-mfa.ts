// AuthService: the second step of a login.

import type { AuthService } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type VerifyMfaHandlersDeps = object;

/** AuthService: the second step of a login. */
export function verifyMfaHandlers(
  _deps: VerifyMfaHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'verifyMfa'> {
  return {
    async verifyMfa() {
      throw new Error('not built');
    },
  };
}
