// AdminService: the accounts of others.

import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { actorOf } from '../../../domain/access/authority.ts';
import { readRoleName } from '../../../domain/access/role-name.ts';
import type { AddressParser } from '../../../domain/account/email-address.ts';
import { DEFAULT_ROLE } from '../../../domain/account/register.ts';
import type { ChangeRoleDeps } from '../../../domain/managed-user/change-role.ts';
import { setUserRole } from '../../../domain/managed-user/change-role.ts';
import type { CreateUserDeps } from '../../../domain/managed-user/create-user.ts';
import { createUser } from '../../../domain/managed-user/create-user.ts';
import type { DeleteUserDeps } from '../../../domain/managed-user/delete-user.ts';
import { deleteUser } from '../../../domain/managed-user/delete-user.ts';
import type { GetManagedUserDeps } from '../../../domain/managed-user/get-managed-user.ts';
import { getManagedUser } from '../../../domain/managed-user/get-managed-user.ts';
import type { ManagedChange } from '../../../domain/managed-user/managed-user-store.ts';
import type { SuspendUserDeps } from '../../../domain/managed-user/suspend-user.ts';
import { reactivateUser, suspendUser } from '../../../domain/managed-user/suspend-user.ts';
import type { UpdateUserDeps } from '../../../domain/managed-user/update-user.ts';
import { updateUser } from '../../../domain/managed-user/update-user.ts';
import type { AdminService, UpdateUserRequest } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import {
  CreateUserResponseSchema,
  DeleteUserResponseSchema,
  GetUserResponseSchema,
  ReactivateUserResponseSchema,
  SetUserRoleResponseSchema,
  SuspendUserResponseSchema,
  UpdateUserResponseSchema,
} from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeUser } from '../../messages/encode.ts';
import { readAct, readReasonedAct } from '../../messages/operator-act.ts';
import { readMask, readProfileChanges } from '../../messages/user-changes.ts';
import type { ServiceHandlers } from '../handlers.ts';
import type { ManagedCredentialHandlersDeps } from './managed-credentials.ts';
import { managedCredentialHandlers } from './managed-credentials.ts';

export type ManagedUserHandlersDeps = ManagedCredentialHandlersDeps &
  CreateUserDeps &
  GetManagedUserDeps &
  UpdateUserDeps &
  DeleteUserDeps &
  ChangeRoleDeps &
  SuspendUserDeps & { readonly parseAddress: AddressParser };

/** AdminService: the accounts of others. */
export function managedUserHandlers(
  deps: ManagedUserHandlersDeps,
): Pick<
  ServiceHandlers<typeof AdminService>,
  | 'createUser'
  | 'getUser'
  | 'updateUser'
  | 'deleteUser'
  | 'setUserRole'
  | 'suspendUser'
  | 'reactivateUser'
  | 'unlockUser'
  | 'forcePasswordReset'
  | 'resetUserMfa'
  | 'listUserSessions'
  | 'revokeUserSessions'
> {
  return {
    ...managedCredentialHandlers(deps),

    async createUser(request, call) {
      const reader = new RequestReader();
      const input = {
        actor: actorOf(call.requirePrincipal()),
        email: reader.email(deps.parseAddress, 'email', request.email),
        username: reader.optionalUsername('username', request.username),
        fullName: reader.text(request.fullName, { field: 'full_name', min: 1, max: 200, name: true }),
        role: request.role === '' ? DEFAULT_ROLE : readRoleName(reader, 'role', request.role),
        origin: call.origin,
      };
      reader.finish();
      return create(CreateUserResponseSchema, { user: encodeUser(await createUser(deps, input)) });
    },

    async getUser(request) {
      const reader = new RequestReader();
      const userId = reader.uuid('user_id', request.userId);
      reader.finish();
      const found = await getManagedUser(deps, userId);
      const { user, externalId = '', hasPassword, lockedUntil, suspensionReason = '' } = found;
      return create(GetUserResponseSchema, {
        user: encodeUser(user),
        externalId,
        hasPassword,
        ...(lockedUntil === undefined ? {} : { lockedUntil: timestampFromMs(lockedUntil) }),
        suspensionReason,
      });
    },

    async updateUser(request, call) {
      const reader = new RequestReader();
      const input = readAct(reader, request, call);
      const changes = readChanges(reader, deps.parseAddress, request);
      reader.finish();
      const user = await updateUser(deps, { ...input, changes });
      return create(UpdateUserResponseSchema, { user: encodeUser(user) });
    },

    async deleteUser(request, call) {
      const reader = new RequestReader();
      const input = readAct(reader, request, call);
      reader.finish();
      await deleteUser(deps, input);
      return create(DeleteUserResponseSchema);
    },

    async setUserRole(request, call) {
      const reader = new RequestReader();
      const input = readAct(reader, request, call);
      const role = readRoleName(reader, 'role', request.role);
      reader.finish();
      const user = await setUserRole(deps, { ...input, role });
      return create(SetUserRoleResponseSchema, { user: encodeUser(user) });
    },

    async suspendUser(request, call) {
      const reader = new RequestReader();
      const input = readReasonedAct(reader, request, call);
      reader.finish();
      return create(SuspendUserResponseSchema, { user: encodeUser(await suspendUser(deps, input)) });
    },

    async reactivateUser(request, call) {
      const reader = new RequestReader();
      const input = readReasonedAct(reader, request, call);
      reader.finish();
      return create(ReactivateUserResponseSchema, { user: encodeUser(await reactivateUser(deps, input)) });
    },
  };
}

const MUTABLE = ['email', 'username', 'full_name', 'email_verified'];

// Without a mask `email_verified` is not set: false cannot be distinguished from an absent field.
function readChanges(
  reader: RequestReader,
  parseAddress: AddressParser,
  { user, updateMask }: UpdateUserRequest,
): ManagedChange[] {
  const { email = '', emailVerified = false } = user ?? {};
  const mask = readMask(reader, updateMask, MUTABLE);
  const changes: ManagedChange[] = readProfileChanges(reader, user, mask);
  if (mask.sets('email', email))
    changes.push({ field: 'email', email: reader.email(parseAddress, 'user.email', email) });
  if (mask.names('email_verified')) changes.push({ field: 'email_verified', emailVerified });
  return changes;
}
