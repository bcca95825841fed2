// AuthService: proving an address.

import { create } from '@bufbuild/protobuf';
import type { AddressParser } from '../../../domain/account/email-address.ts';
import type { VerifyEmailDeps } from '../../../domain/account/verify-email.ts';
import { verifyEmail } from '../../../domain/account/verify-email.ts';
import type { RequestLinkEmailDeps } from '../../../domain/mail/request-link-email.ts';
import { requestLinkEmail } from '../../../domain/mail/request-link-email.ts';
import type { AuthService } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import {
  SendEmailVerificationResponseSchema,
  VerifyEmailResponseSchema,
} from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type EmailVerificationHandlersDeps = RequestLinkEmailDeps &
  VerifyEmailDeps & { readonly parseAddress: AddressParser };

/** AuthService: proving an address. */
export function emailVerificationHandlers(
  deps: EmailVerificationHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'sendEmailVerification' | 'verifyEmail'> {
  return {
    async sendEmailVerification(request, call) {
      const reader = new RequestReader();
      const email = reader.email(deps.parseAddress, 'email', request.email);
      reader.finish();
      await call.charge();
      const limited = { ...deps, rateLimiter: call.noting(deps.rateLimiter) };
      await requestLinkEmail(limited, { template: 'verify_email', email, origin: call.origin });
      return create(SendEmailVerificationResponseSchema);
    },

    async verifyEmail(request, call) {
      const reader = new RequestReader();
      const token = reader.token('token', request.token);
      const password =
        request.password === '' ? undefined : reader.currentPassword('password', request.password);
      reader.finish();
      await call.charge();
      const { origin, signal, principal } = call;
      // A token that was exchanged for an API key is no login.
      const callerId = principal?.authTime === undefined ? undefined : principal.subjectId;
      const limited = { ...deps, rateLimiter: call.noting(deps.rateLimiter) };
      const proof = await verifyEmail(limited, { token, password, callerId, origin, signal });
      return create(VerifyEmailResponseSchema, proof);
    },
  };
}
