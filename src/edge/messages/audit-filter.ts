// Reading which audit events are asked for.

import type { AuditFilter } from '../../domain/audit/audit-filter.ts';
import { EVERY_EVENT, KIND_PATTERN, MAX_KINDS } from '../../domain/audit/audit-filter.ts';
import type { AuditFilter as AuditFilterMessage } from '../../../gen/latchkey/v1/audit_event_pb.ts';
import { AuditOutcome } from '../../../gen/latchkey/v1/audit_event_pb.ts';
import type { RequestReader } from './decode.ts';

const MAX_ID_LENGTH = 200;
const MAX_REQUEST_ID_LENGTH = 100;

const OUTCOMES: ReadonlyMap<AuditOutcome, AuditFilter['outcome']> = new Map([
  [AuditOutcome.UNSPECIFIED, undefined],
  [AuditOutcome.SUCCESS, 'success'],
  [AuditOutcome.REFUSED, 'refused'],
]);

/** The checked filter, its kinds in order and each once; what is wrong with it is noted with `reader`. */
export function readAuditFilter(reader: RequestReader, raw: AuditFilterMessage | undefined): AuditFilter {
  if (raw === undefined) return EVERY_EVENT;
  const optionalText = (field: string, text: string, max: number) =>
    reader.text(text, { field, max }) || undefined;
  const filter = {
    startTime: reader.time('filter.start_time', raw.startTime),
    endTime: reader.time('filter.end_time', raw.endTime),
    kinds: readKinds(reader, raw.kinds),
    outcome: OUTCOMES.get(raw.outcome),
    actorId: optionalText('filter.actor_id', raw.actorId, MAX_ID_LENGTH),
    targetId: optionalText('filter.target_id', raw.targetId, MAX_ID_LENGTH),
    accountId: raw.accountId === '' ? undefined : reader.uuid('filter.account_id', raw.accountId),
    requestId: optionalText('filter.request_id', raw.requestId, MAX_REQUEST_ID_LENGTH),
  };
  if (!OUTCOMES.has(raw.outcome)) reader.add('filter.outcome', 'must be a known outcome');
  const { startTime, endTime } = filter;
  if (startTime !== undefined && endTime !== undefined && startTime >= endTime)
    reader.add('filter.end_time', 'must be later than start_time');
  return filter;
}

function readKinds(reader: RequestReader, raw: readonly string[]): readonly string[] {
  if (raw.length > MAX_KINDS) {
    reader.add('filter.kinds', `must hold at most ${MAX_KINDS} kinds`);
    return [];
  }
  raw.forEach((kind, index) => {
    if (!KIND_PATTERN.test(kind))
      reader.add(`filter.kinds[${index}]`, 'must be a kind like session.login, or a concept like session.*');
  });
  return [...new Set(raw)].toSorted();
}
