// Makes an audit event of an act at the time of the act.

import type { Clock, NewId } from '../clock.ts';
import type { AuditEvent } from './audit-event.ts';

/** The deps that stamp an event. */
export type Stamp = { readonly clock: Clock; readonly newId: NewId };

/** The event with its id and time, and the API key behind the call among its details. */
export function auditEvent(deps: Stamp, event: Omit<AuditEvent, 'id' | 'time'>): AuditEvent {
  const { apiKeyId } = event.origin;
  const details = apiKeyId === undefined ? {} : { details: { api_key: apiKeyId, ...event.details } };
  return { id: deps.newId(), time: deps.clock.now(), ...event, ...details };
}
