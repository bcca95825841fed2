// AdminService: roles.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { actorOf } from '../../../domain/access/authority.ts';
import type { DeleteRoleDeps } from '../../../domain/access/delete-role.ts';
import { deleteRole } from '../../../domain/access/delete-role.ts';
import type { ListRolesDeps, RoleReport } from '../../../domain/access/list-roles.ts';
import { listRoles } from '../../../domain/access/list-roles.ts';
import { readRoleName } from '../../../domain/access/role-name.ts';
import type { Role } from '../../../domain/access/role.ts';
import { readScopes } from '../../../domain/access/scope.ts';
import type { UpsertRoleDeps } from '../../../domain/access/upsert-role.ts';
import { upsertRole } from '../../../domain/access/upsert-role.ts';
import type { AdminService } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import {
  DeleteRoleResponseSchema,
  ListRolesResponseSchema,
  UpsertRoleResponseSchema,
} from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import type { Role as RoleMessage, RoleSchema } from '../../../../gen/latchkey/v1/role_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type RoleHandlersDeps = ListRolesDeps & UpsertRoleDeps & DeleteRoleDeps;

/** AdminService: roles. */
export function roleHandlers(
  deps: RoleHandlersDeps,
): Pick<ServiceHandlers<typeof AdminService>, 'listRoles' | 'upsertRole' | 'deleteRole'> {
  return {
    async listRoles() {
      const roles = await listRoles(deps);
      return create(ListRolesResponseSchema, { roles: roles.map(encodeRole) });
    },

    async upsertRole(request, call) {
      const actor = actorOf(call.requirePrincipal());
      const role = readRole(request.role);
      const changed = await upsertRole(deps, { actor, role, origin: call.origin });
      return create(UpsertRoleResponseSchema, { role: encodeRole(changed) });
    },

    async deleteRole(request, call) {
      const reader = new RequestReader();
      const name = readRoleName(reader, 'name', request.name);
      reader.finish();
      await deleteRole(deps, { actor: actorOf(call.requirePrincipal()), name, origin: call.origin });
      return create(DeleteRoleResponseSchema);
    },
  };
}

function readRole(message: RoleMessage | undefined): Role {
  const reader = new RequestReader();
  if (message === undefined) reader.add('role', 'is required');
  const { name, inherits, scopes } = message ?? { name: 'absent', inherits: '', scopes: [] };
  const role = {
    name: readRoleName(reader, 'role.name', name),
    inherits: inherits === '' ? undefined : readRoleName(reader, 'role.inherits', inherits),
    scopes: readScopes(reader, 'role.scopes', scopes),
  };
  reader.finish();
  return role;
}

function encodeRole(role: RoleReport): MessageInitShape<typeof RoleSchema> {
  return {
    name: role.name,
    inherits: role.inherits ?? '',
    scopes: [...role.scopes],
    effectiveScopes: [...role.effectiveScopes],
    builtIn: role.builtIn,
    userCount: BigInt(role.userCount),
  };
}
