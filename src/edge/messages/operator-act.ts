// Reading what an administrator does to the account of another.

import { actorOf } from '../../domain/access/authority.ts';
import type { ActInput } from '../../domain/managed-user/act-upon.ts';
import type { Call } from '../pipeline/call.ts';
import type { RequestReader } from './decode.ts';

type Caller = Pick<Call, 'requirePrincipal' | 'origin'>;

/** Who acts upon which account. */
export function readAct(reader: RequestReader, request: { readonly userId: string }, call: Caller): ActInput {
  const actor = actorOf(call.requirePrincipal());
  return { actor, userId: reader.uuid('user_id', request.userId), origin: call.origin };
}

/** As `readAct`, and why. */
export function readReasonedAct(
  reader: RequestReader,
  request: { readonly userId: string; readonly reason: string },
  call: Caller,
): ActInput & { readonly reason: string } {
  const reason = reader.text(request.reason, { field: 'reason', max: 500, name: true });
  return { ...readAct(reader, request, call), reason };
}
