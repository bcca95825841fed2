#!/usr/bin/env bash
# A grpc-js server runs handlers for PUT, and for every content type that begins with application/grpc.
#
# Versions:  @grpc/grpc-js 1.14.7 on Node 20 and 26, 2026-11-27.
# Expected:  the gRPC over HTTP/2 protocol defines POST as the method of a request, and the subtype of the content type as the form of its messages.
#            Other methods are expected to be refused. A gRPC-Web request on a port that speaks gRPC is expected to be refused, as it is framed differently.
# Behaviour: PUT runs the handler and is answered with status 0; so are application/grpc+json, application/grpc-web and application/grpcfoo, whatever
#            the messages are, and the answer says application/grpc+proto.
# Matters:   rules of a proxy in front that go by method or content type see other calls than the server does.
# Seen:
#   POST application/grpc: http 200, application/grpc+proto, grpc-status 0
#   PUT application/grpc: http 200, application/grpc+proto, grpc-status 0
#   POST application/grpc+json: http 200, application/grpc+proto, grpc-status 0
#   POST application/grpc-web: http 200, application/grpc+proto, grpc-status 0
#   POST application/grpcfoo: http 200, application/grpc+proto, grpc-status 0
#   POST text/plain: http 415
#   handlers run: 5
# Exits 0 while this holds, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --save-exact @grpc/grpc-js@1.14.7

cat >probe.mjs <<'PROBE'
import { connect } from 'node:http2';
import { promisify } from 'node:util';
import grpc from '@grpc/grpc-js';

const bytes = (value) => value;
const codec = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
const definition = { Echo: { path: '/probe.Echo/Echo', requestStream: false, responseStream: false, ...codec } };
let handled = 0;
const server = new grpc.Server();
server.addService(definition, {
  Echo: (call, respond) => {
    handled += 1;
    respond(null, call.request);
  },
});
const port = await promisify(server.bindAsync.bind(server))('127.0.0.1:0', grpc.ServerCredentials.createInsecure());
const client = connect(`http://127.0.0.1:${port}`);

async function answerTo(method, contentType) {
  const stream = client.request({ ':method': method, ':path': '/probe.Echo/Echo', 'content-type': contentType, te: 'trailers' });
  const seen = {};
  for (const event of ['response', 'trailers']) stream.on(event, (headers) => Object.assign(seen, headers));
  stream.resume().end(Buffer.from([0, 0, 0, 0, 1, 65]));
  await new Promise((resolve) => stream.on('close', resolve));
  const status = seen['grpc-status'];
  return `http ${seen[':status']}${status === undefined ? '' : `, ${seen['content-type']}, grpc-status ${status}`}`;
}

const requests = [['POST', 'application/grpc'], ['PUT', 'application/grpc'], ['POST', 'application/grpc+json'],
  ['POST', 'application/grpc-web'], ['POST', 'application/grpcfoo'], ['POST', 'text/plain']];
for (const [method, contentType] of requests) console.log(`${method} ${contentType}: ${await answerTo(method, contentType)}`);
console.log('handlers run:', handled);
client.close();
server.forceShutdown();
PROBE

diff - <(node probe.mjs) <<'SEEN' || exit 1
POST application/grpc: http 200, application/grpc+proto, grpc-status 0
PUT application/grpc: http 200, application/grpc+proto, grpc-status 0
POST application/grpc+json: http 200, application/grpc+proto, grpc-status 0
POST application/grpc-web: http 200, application/grpc+proto, grpc-status 0
POST application/grpcfoo: http 200, application/grpc+proto, grpc-status 0
POST text/plain: http 415
handlers run: 5
SEEN
echo 'unchanged: grpc-js goes neither by method nor by subtype'
