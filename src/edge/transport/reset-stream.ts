// Gives up what is still to come of an HTTP/2 request that has been answered (RFC 9113, section 8.1).

import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';

// Node drops an answer that has not left when its stream is reset, and does not report when it has.
const RESET_DELAY_MS = 100;

/** Reads and drops the rest, and resets the stream unless it ends soon by itself. */
export function resetSoon(stream: ServerHttp2Stream): void {
  stream.resume();
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), RESET_DELAY_MS);
  stream.once('close', () => clearTimeout(timer));
}
