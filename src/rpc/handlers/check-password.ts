// AuthService: whether a password could be chosen.

import type { AuthService } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type CheckPasswordHandlersDeps = object;

/** AuthService: whether a password could be chosen. */
export function checkPasswordHandlers(
  _deps: CheckPasswordHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'checkPassword'> {
  return {
    async checkPassword() {
      throw new Error('not built');
    },
  };
}
