#!/usr/bin/env bash
# A Connect router that serves no gRPC serves it all the same for a method that has options of its own.
#
# Versions:  @connectrpc/connect 2.2.0 with @bufbuild/protobuf 2.17.0, on Node 20 and 26, 2026-11-27.
# Expected:  `createConnectRouter({ grpc: false })` sets what its methods start from, and the options of `router.rpc` change what they name:
#            a method with `{ readMaxBytes: 1000 }` is as limited, and speaks the protocols of its router.
# Behaviour: options of a method keep the router's numbers and lose its protocols: which of the three are off is read from the method's options alone.
#            With any option, gRPC is served again unless `grpc: false` is said once more.
# Matters:   a limit for one method opens a protocol for it that the rest of the server does not speak, and that is not tested there.
# Seen:
#   no options: grpc-web,connect
#   readMaxBytes: grpc,grpc-web,connect
#   readMaxBytes and grpc off: grpc-web,connect
# Exits 0 while this holds, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --save-exact @connectrpc/connect@2.2.0 @bufbuild/protobuf@2.17.0

cat >probe.mjs <<'PROBE'
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema, StringValueSchema } from '@bufbuild/protobuf/wkt';
import { createConnectRouter } from '@connectrpc/connect';

const text = '.google.protobuf.StringValue';
const file = create(FileDescriptorProtoSchema, {
  name: 'probe.proto',
  package: 'probe',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [{ name: 'Echo', method: ['A', 'B', 'C'].map((name) => ({ name, inputType: text, outputType: text })) }],
});
const set = create(FileDescriptorSetSchema, { file: [StringValueSchema.file.proto, file] });
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, toBinary(FileDescriptorSetSchema, set)));
const { a, b, c } = registry.getService('probe.Echo').method;

const router = createConnectRouter({ grpc: false });
const echo = (request) => request;
router.rpc(a, echo);
router.rpc(b, echo, { readMaxBytes: 1000 });
router.rpc(c, echo, { readMaxBytes: 1000, grpc: false });
const labels = ['no options', 'readMaxBytes', 'readMaxBytes and grpc off'];
router.handlers.forEach(({ protocolNames }, index) => console.log(`${labels[index]}: ${protocolNames.join(',')}`));
PROBE

diff - <(node probe.mjs) <<'SEEN' || exit 1
no options: grpc-web,connect
readMaxBytes: grpc,grpc-web,connect
readMaxBytes and grpc off: grpc-web,connect
SEEN
echo 'unchanged: the options of a method lose which protocols its router has off'
