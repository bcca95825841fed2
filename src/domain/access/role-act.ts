// An act upon a role, for the audit log.

import type { CallOrigin } from '../audit/audit-event.ts';
import type { AuditedAct } from '../audit/audited.ts';
import type { Actor } from './authority.ts';

/** Who does something, and from where. */
export type RoleCaller = { readonly actor: Actor; readonly origin: CallOrigin };

/** The act; its target is the role's name. */
export function roleAct(
  kind: 'role.upsert' | 'role.delete',
  { actor, origin }: RoleCaller,
  name: string,
): AuditedAct {
  const act = { kind, targetId: name, origin };
  return actor.id === undefined ? act : { ...act, actorId: actor.id };
}
