// UserService: a new password for an old one.

import { create } from '@bufbuild/protobuf';
import type { ChangePasswordDeps } from '../../../domain/password/change-password.ts';
import { changePassword } from '../../../domain/password/change-password.ts';
import { DomainError } from '../../../domain/errors.ts';
import type { UserService } from '../../../../gen/latchkey/v1/user_service_pb.ts';
import { ChangePasswordResponseSchema } from '../../../../gen/latchkey/v1/user_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeCredentials } from '../../messages/encode.ts';
import { giveDevice } from '../device-token.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type ChangePasswordHandlersDeps = ChangePasswordDeps;

/** UserService: a new password for an old one. */
export function changePasswordHandlers(
  deps: ChangePasswordHandlersDeps,
): Pick<ServiceHandlers<typeof UserService>, 'changePassword'> {
  return {
    async changePassword(request, call) {
      const { subjectId: userId, sessionId } = call.requirePrincipal();
      const reader = new RequestReader();
      const currentPassword = reader.currentPassword('current_password', request.currentPassword);
      const newPassword = reader.chosenPassword(deps, 'new_password', request.newPassword);
      reader.finish();
      if (sessionId === undefined)
        throw new DomainError('CREDENTIAL_NOT_ALLOWED', 'Call with the access token of a login.');
      await call.charge();
      const { origin, signal } = call;
      const { revokeApiKeys } = request;
      const passwords = { currentPassword, newPassword };
      const input = { userId, sessionId, ...passwords, revokeApiKeys, origin, signal };
      const credentials = await changePassword(deps, input);
      const deviceToken = giveDevice(call, credentials);
      return create(ChangePasswordResponseSchema, { tokens: encodeCredentials(credentials), deviceToken });
    },
  };
}
