// AdminService: decode → use case → encode, by the things that operators deal with.

import type { AdminService } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import type { AuditEventHandlersDeps } from './audit-events.ts';
import { auditEventHandlers } from './audit-events.ts';
import type { ImportUsersHandlersDeps } from './import-users.ts';
import { importUsersHandlers } from './import-users.ts';
import type { ManagedUserHandlersDeps } from './managed-users.ts';
import { managedUserHandlers } from './managed-users.ts';
import type { RoleHandlersDeps } from './roles.ts';
import { roleHandlers } from './roles.ts';
import type { ServiceAccountHandlersDeps } from './service-accounts.ts';
import { serviceAccountHandlers } from './service-accounts.ts';
import type { SigningKeyHandlersDeps } from './signing-keys.ts';
import { signingKeyHandlers } from './signing-keys.ts';
import type { StatsHandlersDeps } from './stats.ts';
import { statsHandlers } from './stats.ts';
import type { UserDirectoryHandlersDeps } from './user-directory.ts';
import { userDirectoryHandlers } from './user-directory.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type AdminServiceDeps = AuditEventHandlersDeps &
  ImportUsersHandlersDeps &
  ManagedUserHandlersDeps &
  RoleHandlersDeps &
  ServiceAccountHandlersDeps &
  SigningKeyHandlersDeps &
  StatsHandlersDeps &
  UserDirectoryHandlersDeps;

/** The handlers of AdminService. */
export function adminServiceHandlers(deps: AdminServiceDeps): ServiceHandlers<typeof AdminService> {
  return {
    ...managedUserHandlers(deps),
    ...userDirectoryHandlers(deps),
    ...importUsersHandlers(deps),
    ...serviceAccountHandlers(deps),
    ...roleHandlers(deps),
    ...auditEventHandlers(deps),
    ...statsHandlers(deps),
    ...signingKeyHandlers(deps),
  };
}
