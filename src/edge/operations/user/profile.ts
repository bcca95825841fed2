// UserService: profile, export, deletion.

import { create } from '@bufbuild/protobuf';
import type { DeleteAccountDeps } from '../../../domain/account/delete-account.ts';
import { deleteAccount } from '../../../domain/account/delete-account.ts';
import type { ExportAccountDeps } from '../../../domain/account/export-account.ts';
import { exportAccount } from '../../../domain/account/export-account.ts';
import type { UpdateProfileDeps } from '../../../domain/account/update-profile.ts';
import { updateProfile } from '../../../domain/account/update-profile.ts';
import type { UserService } from '../../../../gen/latchkey/v1/user_service_pb.ts';
import {
  DeleteMeResponseSchema,
  ExportMeResponseSchema,
  UpdateMeResponseSchema,
} from '../../../../gen/latchkey/v1/user_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeUser } from '../../messages/encode.ts';
import { readMask, readProfileChanges } from '../../messages/user-changes.ts';
import type { ServiceHandlers } from '../handlers.ts';
import { provenCaller } from '../proofs.ts';

export type ProfileHandlersDeps = UpdateProfileDeps & DeleteAccountDeps & ExportAccountDeps;

/** UserService: profile, export, deletion. */
export function profileHandlers(
  deps: ProfileHandlersDeps,
): Pick<ServiceHandlers<typeof UserService>, 'updateMe' | 'deleteMe' | 'exportMe'> {
  return {
    async updateMe(request, call) {
      const reader = new RequestReader();
      const mask = readMask(reader, request.updateMask, MUTABLE);
      const changes = readProfileChanges(reader, request.user, mask);
      reader.finish();
      const userId = call.requirePrincipal().subjectId;
      const user = await updateProfile(deps, { userId, changes, origin: call.origin });
      return create(UpdateMeResponseSchema, { user: encodeUser(user) });
    },

    async deleteMe(request, call) {
      const caller = provenCaller(request, call);
      await call.charge();
      await deleteAccount(deps, caller);
      call.clearOwnCookie();
      return create(DeleteMeResponseSchema);
    },

    async exportMe(_request, call) {
      const userId = call.requirePrincipal().subjectId;
      const document = await exportAccount(deps, { userId, origin: call.origin });
      return create(ExportMeResponseSchema, { exportJson: JSON.stringify(document) });
    },
  };
}

const MUTABLE = ['username', 'full_name'];
