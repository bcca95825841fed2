// WatchRevocations: what is revoked, as a stream.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { validationFailed } from '../../../domain/errors.ts';
import type { Revocation } from '../../../domain/revocation/revocation.ts';
import type { WatchCursor, WatchCursorCodec } from '../../../domain/revocation/watch-cursor.ts';
import type { WatchDeps, WatchNews } from '../../../domain/revocation/watch-revocations.ts';
import { watchRevocations } from '../../../domain/revocation/watch-revocations.ts';
import type { AuthService } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { WatchRevocationsResponseSchema } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import type { RevocationSchema } from '../../../../gen/latchkey/v1/revocation_pb.ts';
import { RevocationForm } from '../../../../gen/latchkey/v1/revocation_pb.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type WatchRevocationsHandlersDeps = WatchDeps & { readonly watchCursorCodec: WatchCursorCodec };

const FORM: Readonly<Record<Revocation['form'], RevocationForm>> = {
  token: RevocationForm.TOKEN,
  session: RevocationForm.SESSION,
  subject: RevocationForm.SUBJECT,
};

/** The handler of WatchRevocations. */
export function watchRevocationsHandlers(
  deps: WatchRevocationsHandlersDeps,
): Pick<ServiceHandlers<typeof AuthService>, 'watchRevocations'> {
  const write = (cursor: WatchCursor | undefined) =>
    cursor === undefined ? '' : deps.watchCursorCodec.write(cursor);
  return {
    async *watchRevocations(request, call) {
      const cursor = readCursor(deps.watchCursorCodec, request.cursor);
      for await (const news of watchRevocations(deps, { cursor, signal: call.signal }))
        yield create(WatchRevocationsResponseSchema, { message: encodeUpdate(news, write) });
    },
  };
}

function readCursor(codec: WatchCursorCodec, text: string): WatchCursor | undefined {
  if (text === '') return undefined;
  const cursor = codec.read(text);
  if (cursor !== undefined) return cursor;
  throw validationFailed([{ field: 'cursor', description: 'must be a cursor that this stream gave' }]);
}

function encodeUpdate(
  news: WatchNews,
  write: (cursor: WatchCursor | undefined) => string,
): MessageInitShape<typeof WatchRevocationsResponseSchema>['message'] & {} {
  switch (news.kind) {
    case 'snapshot':
      return { case: 'snapshot', value: { revocations: news.revocations.map(encodeRevocation) } };
    case 'snapshot_end':
      return { case: 'snapshot', value: { last: true, cursor: write(news.cursor) } };
    case 'events':
      return {
        case: 'events',
        value: { revocations: news.revocations.map(encodeRevocation), cursor: write(news.cursor) },
      };
    case 'heartbeat':
      return {
        case: 'heartbeat',
        value: {
          time: timestampFromMs(news.time),
          age: durationFromMs(Math.round(news.ageMs)),
          cursor: write(news.cursor),
        },
      };
  }
}

function encodeRevocation(revocation: Revocation): MessageInitShape<typeof RevocationSchema> {
  const { form, id, revokeTime, expireTime } = revocation;
  const effectTime = form === 'session' ? revocation.effectTime : undefined;
  return {
    form: FORM[form],
    id,
    minVersion: form === 'subject' ? revocation.minVersion : 0,
    revokeTime: timestampFromMs(revokeTime),
    expireTime: timestampFromMs(expireTime),
    ...(effectTime === undefined ? {} : { effectTime: timestampFromMs(effectTime) }),
  };
}
