// AuthService: proving an address.

import type { AuthService } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type EmailVerificationHandlersDeps = object;

/** AuthService: proving an address. */
export function emailVerificationHandlers(
  _deps: EmailVerificationHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'sendEmailVerification' | 'verifyEmail'> {
  return {
    async sendEmailVerification() {
      throw new Error('not built');
    },

    async verifyEmail() {
      throw new Error('not built');
    },
  };
}
