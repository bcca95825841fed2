// UserService: another address.

import { create } from '@bufbuild/protobuf';
import type { ConfirmEmailChangeDeps, StartEmailChangeDeps } from '../../../domain/account/change-email.ts';
import { confirmEmailChange, startEmailChange } from '../../../domain/account/change-email.ts';
import type { AddressParser } from '../../../domain/account/email-address.ts';
import type { UserService } from '../../../../gen/latchkey/v1/user_service_pb.ts';
import {
  ConfirmEmailChangeResponseSchema,
  StartEmailChangeResponseSchema,
} from '../../../../gen/latchkey/v1/user_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeUser } from '../../messages/encode.ts';
import type { ServiceHandlers } from '../handlers.ts';
import { provenCaller } from '../proofs.ts';

export type EmailChangeHandlersDeps = StartEmailChangeDeps &
  ConfirmEmailChangeDeps & { readonly parseAddress: AddressParser };

/** UserService: another address. */
export function emailChangeHandlers(
  deps: EmailChangeHandlersDeps,
): Pick<ServiceHandlers<typeof UserService>, 'startEmailChange' | 'confirmEmailChange'> {
  return {
    async startEmailChange(request, call) {
      const { version } = call.requirePrincipal();
      const reader = new RequestReader();
      const newEmail = reader.email(deps.parseAddress, 'new_email', request.newEmail);
      const proven = provenCaller(request, call, reader);
      await call.charge();
      const limited = { ...deps, rateLimiter: call.noting(deps.rateLimiter) };
      await startEmailChange(limited, { ...proven, version, newEmail });
      return create(StartEmailChangeResponseSchema);
    },

    async confirmEmailChange(request, call) {
      const { subjectId: userId } = call.requirePrincipal();
      const reader = new RequestReader();
      const token = reader.token('token', request.token);
      reader.finish();
      await call.charge();
      const user = await confirmEmailChange(deps, { userId, token, origin: call.origin });
      return create(ConfirmEmailChangeResponseSchema, { user: encodeUser(user) });
    },
  };
}
