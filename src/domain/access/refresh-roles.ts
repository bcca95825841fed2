// After a change of roles: applies it on this node at once. Other nodes read the roles by themselves.

import type { RoleDirectory, RoleStore } from './role.ts';

export type RefreshRolesDeps = {
  readonly roles: RoleStore;
  readonly roleDirectory: Pick<RoleDirectory, 'beginRead' | 'replace'>;
  /** Called when the roles could not be read: this node then reads them with its next poll. */
  readonly onRolesUnread: (error: unknown) => void;
};

/** Reads the committed roles. Never fails: the change is made already. */
export async function refreshRoles({ roles, roleDirectory, onRolesUnread }: RefreshRolesDeps): Promise<void> {
  const read = roleDirectory.beginRead();
  try {
    roleDirectory.replace(await roles.list(), read);
  } catch (error) {
    onRolesUnread(error);
  }
}
