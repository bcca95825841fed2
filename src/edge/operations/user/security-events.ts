// UserService: what happened to the account.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import type { ListSecurityEventsDeps, SecurityEvent } from '../../../domain/audit/security-events.ts';
import { listSecurityEvents } from '../../../domain/audit/security-events.ts';
import type { PageTokenCodec } from '../../../domain/paging.ts';
import type { SecurityEventSchema } from '../../../../gen/latchkey/v1/security_event_pb.ts';
import { SecurityEventOutcome } from '../../../../gen/latchkey/v1/security_event_pb.ts';
import type { UserService } from '../../../../gen/latchkey/v1/user_service_pb.ts';
import { ListSecurityEventsResponseSchema } from '../../../../gen/latchkey/v1/user_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeEvent } from '../../messages/encode.ts';
import { PAGE_SIZE, readPosition, writePosition } from '../../messages/page-token.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type SecurityEventHandlersDeps = ListSecurityEventsDeps & { readonly pageTokenCodec: PageTokenCodec };

const OUTCOME: Readonly<Record<SecurityEvent['outcome'], SecurityEventOutcome>> = {
  success: SecurityEventOutcome.SUCCESS,
  refused: SecurityEventOutcome.REFUSED,
};

/** UserService: what happened to the account. */
export function securityEventHandlers(
  deps: SecurityEventHandlersDeps,
): Pick<ServiceHandlers<typeof UserService>, 'listSecurityEvents'> {
  return {
    async listSecurityEvents(request, call) {
      const ownerId = call.requirePrincipal().subjectId;
      const query = `security-events/${ownerId}`;
      const reader = new RequestReader();
      const pageSize = reader.pageSize('page_size', request.pageSize, PAGE_SIZE);
      reader.finish();
      const before = readPosition(deps.pageTokenCodec, query, request.pageToken);
      const { events, next } = await listSecurityEvents(deps, { ownerId, pageSize, before });
      return create(ListSecurityEventsResponseSchema, {
        events: events.map(encodeSecurityEvent),
        nextPageToken: writePosition(deps.pageTokenCodec, query, next),
      });
    },
  };
}

function encodeSecurityEvent(event: SecurityEvent): MessageInitShape<typeof SecurityEventSchema> {
  return { ...encodeEvent(event), outcome: OUTCOME[event.outcome] };
}
