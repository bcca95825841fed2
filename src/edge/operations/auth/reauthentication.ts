// AuthService: the same session, and a later time of login.

import { create } from '@bufbuild/protobuf';
import type { ReauthenticateDeps } from '../../../domain/session/reauthenticate.ts';
import { reauthenticate } from '../../../domain/session/reauthenticate.ts';
import type { AuthService } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { ReauthenticateResponseSchema } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeCredentials } from '../../messages/encode.ts';
import type { ServiceHandlers } from '../handlers.ts';
import { readFactor, sessionOf } from '../proofs.ts';

export type ReauthenticationHandlersDeps = ReauthenticateDeps;

/** AuthService: the same session, and a later time of login. */
export function reauthenticationHandlers(
  deps: ReauthenticationHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'reauthenticate'> {
  return {
    async reauthenticate({ firstFactor, secondFactor }, call) {
      const caller = sessionOf(call);
      const reader = new RequestReader();
      if (firstFactor.case === undefined) reader.add('first_factor', 'is required: password');
      const password =
        firstFactor.case === undefined ? '' : reader.currentPassword('password', firstFactor.value);
      const factor = secondFactor.case === undefined ? undefined : readFactor(reader, secondFactor);
      reader.finish();
      await call.charge();
      const { origin, signal } = call;
      const credentials = await reauthenticate(deps, { ...caller, password, factor, origin, signal });
      if ('cookie' in credentials) call.giveCookie(credentials.cookie);
      return create(ReauthenticateResponseSchema, { tokens: encodeCredentials(credentials) });
    },
  };
}
