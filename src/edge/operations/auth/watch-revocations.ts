// WatchRevocations: what is revoked, as a stream.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { validationFailed } from '../../../domain/errors.ts';
import type { Revocation } from '../../../domain/revocation/revocation.ts';
import type { WatchCursor, WatchCursorCodec } from '../../../domain/revocation/watch-cursor.ts';
import type { WatchDeps, WatchMessage } from '../../../domain/revocation/watch-revocations.ts';
import { watchRevocations } from '../../../domain/revocation/watch-revocations.ts';
import type { AuthService, WatchRevocationsResponse } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
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
  const snapshotPage = onceForEach(encodeSnapshotPage);
  return {
    async *watchRevocations(request, call) {
      const cursor = readCursor(deps.watchCursorCodec, request.cursor);
      for await (const message of watchRevocations(deps, { cursor, signal: call.signal }))
        yield message.kind === 'snapshot' ? snapshotPage(message.revocations) : encode(message, write);
    },
  };
}

// Watchers who start together are given the same pages: one message, which the adapter then serializes once.
function onceForEach<Page extends object, Encoded>(encodePage: (page: Page) => Encoded): typeof encodePage {
  const encoded = new WeakMap<Page, Encoded>();
  return (page) => {
    const known = encoded.get(page);
    if (known !== undefined) return known;
    const message = encodePage(page);
    encoded.set(page, message);
    return message;
  };
}

function readCursor(codec: WatchCursorCodec, text: string): WatchCursor | undefined {
  if (text === '') return undefined;
  const cursor = codec.read(text);
  if (cursor !== undefined) return cursor;
  throw validationFailed([{ field: 'cursor', description: 'must be a cursor that this stream gave' }]);
}

function encodeSnapshotPage(revocations: readonly Revocation[]): WatchRevocationsResponse {
  const value = { revocations: revocations.map(encodeRevocation) };
  return create(WatchRevocationsResponseSchema, { message: { case: 'snapshot', value } });
}

function encode(
  message: Exclude<WatchMessage, { readonly kind: 'snapshot' }>,
  write: (cursor: WatchCursor | undefined) => string,
): WatchRevocationsResponse {
  return create(WatchRevocationsResponseSchema, { message: oneOf(message, write) });
}

function oneOf(
  message: Exclude<WatchMessage, { readonly kind: 'snapshot' }>,
  write: (cursor: WatchCursor | undefined) => string,
): MessageInitShape<typeof WatchRevocationsResponseSchema>['message'] & {} {
  const cursor = write(message.cursor);
  switch (message.kind) {
    case 'snapshot_end':
      return { case: 'snapshot', value: { last: true, cursor } };
    case 'events':
      return { case: 'events', value: { revocations: message.revocations.map(encodeRevocation), cursor } };
    case 'heartbeat': {
      const [time, age] = [timestampFromMs(message.time), durationFromMs(Math.round(message.ageMs))];
      return { case: 'heartbeat', value: { time, age, cursor } };
    }
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
