// UserService: another address.

import type { UserService } from '../../../gen/latchkey/v1/user_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type EmailChangeHandlersDeps = object;

/** UserService: another address. */
export function emailChangeHandlers(
  _deps: EmailChangeHandlersDeps,
): Pick<ServiceHandlers<typeof UserService>, 'startEmailChange' | 'confirmEmailChange'> {
  return {
    async startEmailChange() {
      throw new Error('not built');
    },

    async confirmEmailChange() {
      throw new Error('not built');
    },
  };
}
