// AdminService: the audit log.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import type { AuditCursorCodec } from '../../../domain/audit/audit-cursor.ts';
import type { ListAuditEventsDeps } from '../../../domain/audit/list-audit-events.ts';
import { listAuditEvents } from '../../../domain/audit/list-audit-events.ts';
import type { StoredAuditEvent } from '../../../domain/audit/stored-event.ts';
import type { WatchAuditEventsDeps } from '../../../domain/audit/watch-audit-events.ts';
import { unknownCursor, watchAuditEvents } from '../../../domain/audit/watch-audit-events.ts';
import type { PageTokenCodec } from '../../../domain/paging.ts';
import type { AdminService } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import {
  ListAuditEventsResponseSchema,
  WatchAuditEventsResponseSchema,
} from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import type { AuditEventSchema } from '../../../../gen/latchkey/v1/audit_event_pb.ts';
import { AuditOutcome } from '../../../../gen/latchkey/v1/audit_event_pb.ts';
import { readAuditFilter } from '../../messages/audit-filter.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeEvent } from '../../messages/encode.ts';
import { readPosition, writePosition } from '../../messages/page-token.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type AuditEventHandlersDeps = ListAuditEventsDeps &
  WatchAuditEventsDeps & {
    readonly pageTokenCodec: PageTokenCodec;
    readonly auditCursorCodec: AuditCursorCodec;
  };

const PAGE_SIZE = { fallback: 50, max: 1_000 };

const OUTCOME: Readonly<Record<StoredAuditEvent['outcome'], AuditOutcome>> = {
  success: AuditOutcome.SUCCESS,
  refused: AuditOutcome.REFUSED,
};

/** AdminService: the audit log. */
export function auditEventHandlers(
  deps: AuditEventHandlersDeps,
): Pick<ServiceHandlers<typeof AdminService>, 'listAuditEvents' | 'watchAuditEvents'> {
  return {
    async listAuditEvents(request) {
      const reader = new RequestReader();
      const pageSize = reader.pageSize('page_size', request.pageSize, PAGE_SIZE);
      const filter = readAuditFilter(reader, request.filter);
      reader.finish();
      const query = `audit-events/${JSON.stringify(filter)}`;
      const before = readPosition(deps.pageTokenCodec, query, request.pageToken);
      const { events, next } = await listAuditEvents(deps, { filter, pageSize, before });
      return create(ListAuditEventsResponseSchema, {
        events: events.map(encodeAuditEvent),
        nextPageToken: writePosition(deps.pageTokenCodec, query, next),
      });
    },

    async *watchAuditEvents(request, call) {
      const reader = new RequestReader();
      const filter = readAuditFilter(reader, request.filter);
      reader.finish();
      const after = readCursor(deps.auditCursorCodec, request.cursor);
      for await (const update of watchAuditEvents(deps, { after, filter, signal: call.signal })) {
        yield create(WatchAuditEventsResponseSchema, {
          events: update.events.map(encodeAuditEvent),
          cursor: deps.auditCursorCodec.write(update.after),
        });
      }
    },
  };
}

function readCursor(codec: AuditCursorCodec, text: string): number | undefined {
  if (text === '') return undefined;
  const after = codec.read(text);
  if (after === undefined) throw unknownCursor();
  return after;
}

function encodeAuditEvent(event: StoredAuditEvent): MessageInitShape<typeof AuditEventSchema> {
  return {
    ...encodeEvent(event),
    outcome: OUTCOME[event.outcome],
    accountId: event.accountId ?? '',
    details: { ...event.details },
  };
}
