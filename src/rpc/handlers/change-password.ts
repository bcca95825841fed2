// UserService: a new password for an old one.

import type { UserService } from '../../../gen/latchkey/v1/user_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type ChangePasswordHandlersDeps = object;

/** UserService: a new password for an old one. */
export function changePasswordHandlers(
  _deps: ChangePasswordHandlersDeps,
): Pick<ServiceHandlers<typeof UserService>, 'changePassword'> {
  return {
    async changePassword() {
      throw new Error('not built');
    },
  };
}
