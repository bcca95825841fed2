// AuthService: the second step of a login.

import { create } from '@bufbuild/protobuf';
import type { TypedFactor } from '../../../domain/mfa/match-factor.ts';
import type { VerifyMfaDeps } from '../../../domain/mfa/verify-mfa.ts';
import { verifyMfa } from '../../../domain/mfa/verify-mfa.ts';
import type { AuthService } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { VerifyMfaResponseSchema } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeCredentials } from '../../messages/encode.ts';
import { giveDevice, readDeviceTokens } from '../device-token.ts';
import type { ServiceHandlers } from '../handlers.ts';
import { readFactor } from '../proofs.ts';

export type VerifyMfaHandlersDeps = VerifyMfaDeps;

/** AuthService: the second step of a login. */
export function verifyMfaHandlers(
  deps: VerifyMfaHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'verifyMfa'> {
  return {
    async verifyMfa(request, call) {
      const reader = new RequestReader();
      const mfaToken = reader.token('mfa_token', request.mfaToken);
      if (request.factor.case === undefined) reader.add('factor', 'is required: totp_code or backup_code');
      const factor: TypedFactor =
        request.factor.case === undefined ? { kind: 'totp', code: '' } : readFactor(reader, request.factor);
      const deviceTokens = readDeviceTokens(reader, request.deviceToken, call);
      reader.finish();
      await call.charge();
      const mayUseCookie = call.cookieObstacle === undefined;
      const { origin } = call;
      const credentials = await verifyMfa(deps, { mfaToken, factor, deviceTokens, mayUseCookie, origin });
      const deviceToken = giveDevice(call, credentials);
      return create(VerifyMfaResponseSchema, { tokens: encodeCredentials(credentials), deviceToken });
    },
  };
}
