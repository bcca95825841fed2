// Reads the caller's deadline before connect-es does, so that a bad one is refused by the pipeline, with details and a request id.

import type { ContextKey } from '@connectrpc/connect';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import { inPlaceOf } from './body.ts';
import { MAX_TIMEOUT_MS, readConnectTimeout, readGrpcTimeout } from '../messages/timeout-header.ts';

const READERS = [
  ['connect-timeout-ms', readConnectTimeout],
  ['grpc-timeout', readGrpcTimeout],
] as const;

/** The handler, with what is wrong with the timeout header of a request set under `fault`; connect-es sees only a deadline that it can keep. */
export function checkingTimeout(
  handler: UniversalHandler,
  fault: ContextKey<string | undefined>,
): UniversalHandler {
  return inPlaceOf(handler, (request) => {
    for (const [name, read] of READERS) {
      const text = request.header.get(name);
      if (text === null) continue;
      const timeout = read(text);
      if ('timeoutMs' in timeout && timeout.timeoutMs <= MAX_TIMEOUT_MS) continue;
      request.header.delete(name);
      if ('fault' in timeout) request.contextValues?.set(fault, timeout.fault);
    }
    return handler(request);
  });
}
