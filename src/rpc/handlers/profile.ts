// UserService: profile, export, deletion.

import type { UserService } from '../../../gen/latchkey/v1/user_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type ProfileHandlersDeps = object;

/** UserService: profile, export, deletion. */
export function profileHandlers(
  _deps: ProfileHandlersDeps,
): Pick<ServiceHandlers<typeof UserService>, 'updateMe' | 'deleteMe' | 'exportMe'> {
  return {
    async updateMe() {
      throw new Error('not built');
    },

    async deleteMe() {
      throw new Error('not built');
    },

    async exportMe() {
      throw new Error('not built');
    },
  };
}
