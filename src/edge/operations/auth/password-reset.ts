// AuthService: password resets.

import { create } from '@bufbuild/protobuf';
import type { AddressParser } from '../../../domain/account/email-address.ts';
import type { ResetPasswordDeps } from '../../../domain/password/reset-password.ts';
import { resetPassword } from '../../../domain/password/reset-password.ts';
import type { RequestLinkEmailDeps } from '../../../domain/mail/request-link-email.ts';
import { requestLinkEmail } from '../../../domain/mail/request-link-email.ts';
import type { AuthService } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import {
  RequestPasswordResetResponseSchema,
  ResetPasswordResponseSchema,
} from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type PasswordResetHandlersDeps = RequestLinkEmailDeps &
  ResetPasswordDeps & { readonly parseAddress: AddressParser };

/** AuthService: password resets. */
export function passwordResetHandlers(
  deps: PasswordResetHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'requestPasswordReset' | 'resetPassword'> {
  return {
    async requestPasswordReset(request, call) {
      const reader = new RequestReader();
      const email = reader.email(deps.parseAddress, 'email', request.email);
      reader.finish();
      await call.charge();
      const limited = { ...deps, rateLimiter: call.noting(deps.rateLimiter) };
      await requestLinkEmail(limited, { template: 'password_reset', email, origin: call.origin });
      return create(RequestPasswordResetResponseSchema);
    },

    async resetPassword(request, call) {
      const reader = new RequestReader();
      const input = {
        token: reader.token('token', request.token),
        newPassword: reader.chosenPassword(deps, 'new_password', request.newPassword),
        keepApiKeys: request.keepApiKeys,
        origin: call.origin,
        signal: call.signal,
      };
      reader.finish();
      await call.charge();
      await resetPassword(deps, input);
      return create(ResetPasswordResponseSchema);
    },
  };
}
