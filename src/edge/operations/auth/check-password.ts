// AuthService: whether a password could be chosen.

import { create } from '@bufbuild/protobuf';
import type { CheckPasswordDeps } from '../../../domain/password/check-password.ts';
import { checkPassword } from '../../../domain/password/check-password.ts';
import type { AddressParser } from '../../../domain/account/email-address.ts';
import type { AuthService } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { CheckPasswordResponseSchema } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type CheckPasswordHandlersDeps = CheckPasswordDeps & { readonly parseAddress: AddressParser };

/** AuthService: whether a password could be chosen. */
export function checkPasswordHandlers(
  deps: CheckPasswordHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'checkPassword'> {
  return {
    async checkPassword(request, call) {
      const reader = new RequestReader();
      const password = reader.newPassword('password', request.password);
      const owner = {
        email: request.email === '' ? '' : reader.email(deps.parseAddress, 'email', request.email).text,
        username: reader.optionalUsername('username', request.username)?.text,
        fullName: reader.text(request.fullName, { field: 'full_name', max: 200, name: true }),
      };
      reader.finish();
      await call.charge();
      const { violations, breached } = await checkPassword(deps, password, owner);
      return create(CheckPasswordResponseSchema, {
        acceptable: violations.length === 0 && !breached,
        violations: violations.map(({ description }) => description),
        breached,
      });
    },
  };
}
