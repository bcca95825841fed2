// UserService: the second factor.

import { create } from '@bufbuild/protobuf';
import { DomainError } from '../../../domain/errors.ts';
import type { ConfirmTotpDeps } from '../../../domain/mfa/confirm-totp.ts';
import { confirmTotp } from '../../../domain/mfa/confirm-totp.ts';
import type { DisableTotpDeps } from '../../../domain/mfa/disable-totp.ts';
import { disableTotp } from '../../../domain/mfa/disable-totp.ts';
import type { EnrollTotpDeps } from '../../../domain/mfa/enroll-totp.ts';
import { enrollTotp } from '../../../domain/mfa/enroll-totp.ts';
import type { RegenerateBackupCodesDeps } from '../../../domain/mfa/regenerate-backup-codes.ts';
import { regenerateBackupCodes } from '../../../domain/mfa/regenerate-backup-codes.ts';
import { readTotpCode } from '../../../domain/mfa/typed-code.ts';
import type { UserService } from '../../../../gen/latchkey/v1/user_service_pb.ts';
import {
  ConfirmTotpResponseSchema,
  DisableTotpResponseSchema,
  EnrollTotpResponseSchema,
  RegenerateBackupCodesResponseSchema,
} from '../../../../gen/latchkey/v1/user_service_pb.ts';
import type { Call } from '../../pipeline/call.ts';
import { RequestReader } from '../../messages/decode.ts';
import { giveDeviceAlone } from '../device-token.ts';
import type { ServiceHandlers } from '../handlers.ts';
import { provenCaller } from '../proofs.ts';

export type TotpHandlersDeps = EnrollTotpDeps & ConfirmTotpDeps & DisableTotpDeps & RegenerateBackupCodesDeps;

/** UserService: the second factor. */
export function totpHandlers(
  deps: TotpHandlersDeps,
): Pick<
  ServiceHandlers<typeof UserService>,
  'enrollTotp' | 'confirmTotp' | 'disableTotp' | 'regenerateBackupCodes'
> {
  return {
    async enrollTotp(request, call) {
      const caller = provenCaller(request, call);
      await call.charge();
      const { secret, keyUri } = await enrollTotp(deps, caller);
      // Loaded by the first who enrols.
      const { qrPng, qrSvg } = await import('../../messages/qr-code.ts');
      return create(EnrollTotpResponseSchema, {
        secret,
        otpauthUri: keyUri,
        qrPng: qrPng(keyUri),
        qrSvg: qrSvg(keyUri),
      });
    },

    async confirmTotp(request, call) {
      const reader = new RequestReader();
      const code = readTotpCode(reader, 'code', request.code);
      reader.finish();
      const { sessionId } = call.requirePrincipal();
      if (sessionId === undefined)
        throw new DomainError('CREDENTIAL_NOT_ALLOWED', 'This call needs the token of a session.');
      await call.charge();
      const { backupCodes, device } = await confirmTotp(deps, { ...callerOf(call), sessionId, code });
      const deviceToken = giveDeviceAlone(call, device);
      return create(ConfirmTotpResponseSchema, { backupCodes: [...backupCodes], deviceToken });
    },

    async disableTotp(request, call) {
      const caller = provenCaller(request, call);
      await call.charge();
      await disableTotp(deps, caller);
      return create(DisableTotpResponseSchema);
    },

    async regenerateBackupCodes(request, call) {
      const caller = provenCaller(request, call);
      await call.charge();
      const backupCodes = await regenerateBackupCodes(deps, caller);
      return create(RegenerateBackupCodesResponseSchema, { backupCodes: [...backupCodes] });
    },
  };
}

function callerOf(call: Call) {
  return { userId: call.requirePrincipal().subjectId, origin: call.origin };
}
