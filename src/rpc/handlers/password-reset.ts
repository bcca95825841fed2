// AuthService: forgotten passwords.

import type { AuthService } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type PasswordResetHandlersDeps = object;

/** AuthService: forgotten passwords. */
export function passwordResetHandlers(
  _deps: PasswordResetHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'requestPasswordReset' | 'resetPassword'> {
  return {
    async requestPasswordReset() {
      throw new Error('not built');
    },

    async resetPassword() {
      throw new Error('not built');
    },
  };
}
