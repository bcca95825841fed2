// UserService: profile, export, deletion.

import { create } from '@bufbuild/protobuf';
import type { DeleteAccountDeps } from '../../domain/account/delete-account.ts';
import { deleteAccount } from '../../domain/account/delete-account.ts';
import type { ExportAccountDeps } from '../../domain/account/export-account.ts';
import { exportAccount } from '../../domain/account/export-account.ts';
import type { ProfileChange } from '../../domain/account/profile-store.ts';
import type { UpdateProfileDeps } from '../../domain/account/update-profile.ts';
import { updateProfile } from '../../domain/account/update-profile.ts';
import type { UpdateMeRequest, UserService } from '../../../gen/latchkey/v1/user_service_pb.ts';
import {
  DeleteMeResponseSchema,
  ExportMeResponseSchema,
  UpdateMeResponseSchema,
} from '../../../gen/latchkey/v1/user_service_pb.ts';
import { RequestReader } from '../decode.ts';
import { encodeUser } from '../encode.ts';
import type { ServiceHandlers } from './handlers.ts';

export type ProfileHandlersDeps = UpdateProfileDeps & DeleteAccountDeps & ExportAccountDeps;

/** UserService: profile, export, deletion. */
export function profileHandlers(
  deps: ProfileHandlersDeps,
): Pick<ServiceHandlers<typeof UserService>, 'updateMe' | 'deleteMe' | 'exportMe'> {
  return {
    async updateMe(request, call) {
      const reader = new RequestReader();
      const changes = readChanges(reader, request);
      reader.finish();
      const userId = call.requirePrincipal().subjectId;
      const user = await updateProfile(deps, { userId, changes, origin: call.origin });
      return create(UpdateMeResponseSchema, { user: encodeUser(user) });
    },

    async deleteMe(_request, call) {
      await deleteAccount(deps, { userId: call.requirePrincipal().subjectId, origin: call.origin });
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

// AIP-134. Every other field of a user is the server's to set: its value is ignored (AIP-203), and a mask that names it is refused.
function readChanges(reader: RequestReader, { user, updateMask }: UpdateMeRequest): ProfileChange[] {
  const { username = '', fullName = '' } = user ?? {};
  const name = fullName.trim();
  const paths = readMask(reader, updateMask?.paths ?? []);
  const isMasked = (path: string, value: string) =>
    paths.length === 0 ? value !== '' : paths.includes(path);
  const changes: ProfileChange[] = [];
  if (isMasked('username', username)) {
    changes.push({ field: 'username', username: reader.optionalUsername('user.username', username) });
  }
  if (isMasked('full_name', name)) {
    const rule = { field: 'user.full_name', min: 1, max: 200 };
    changes.push({ field: 'full_name', fullName: reader.text(name, rule) });
  }
  return changes;
}

const MUTABLE = ['username', 'full_name'];
const MAX_PATHS = 100;
const MAX_PATH_LENGTH = 100;

function readMask(reader: RequestReader, paths: readonly string[]): readonly string[] {
  if (paths.length > MAX_PATHS) reader.add('update_mask', `must have at most ${MAX_PATHS} paths`);
  else for (const path of paths) requireMutable(reader, path);
  return paths.includes('*') ? MUTABLE : paths;
}

function requireMutable(reader: RequestReader, path: string): void {
  if (path === '*' || MUTABLE.includes(path)) return;
  const shown =
    path.length <= MAX_PATH_LENGTH && /^[\x20-\x7E]+$/.test(path) ? `"${path}"` : 'something else';
  reader.add('update_mask', `must name username, full_name or *, and not ${shown}`);
}
