// UserService: the second factor.

import type { UserService } from '../../../gen/latchkey/v1/user_service_pb.ts';
import type { ServiceHandlers } from './handlers.ts';

export type TotpHandlersDeps = object;

/** UserService: the second factor. */
export function totpHandlers(
  _deps: TotpHandlersDeps,
): Pick<
  ServiceHandlers<typeof UserService>,
  'enrollTotp' | 'confirmTotp' | 'disableTotp' | 'regenerateBackupCodes'
> {
  return {
    async enrollTotp() {
      throw new Error('not built');
    },

    async confirmTotp() {
      throw new Error('not built');
    },

    async disableTotp() {
      throw new Error('not built');
    },

    async regenerateBackupCodes() {
      throw new Error('not built');
    },
  };
}
