// AuthService: forgotten passwords, and whether one could be chosen.

import type { AuthService } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type PasswordResetHandlersDeps = object;

/** AuthService: forgotten passwords, and whether one could be chosen. */
export function passwordResetHandlers(
  _deps: PasswordResetHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'requestPasswordReset' | 'resetPassword' | 'checkPassword'> {
  return {
    async requestPasswordReset() {
      throw new Error('not built');
    },

    async resetPassword() {
      throw new Error('not built');
    },

    async checkPassword() {
      throw new Error('not built');
    },
  };
}
