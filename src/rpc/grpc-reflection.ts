// Server reflection (v1 and v1alpha), with the access option of every RPC in it.

import { toBinary } from '@bufbuild/protobuf';
import type { DescFile, DescService } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { ReflectionService } from '@grpc/reflection';
import protobufjs from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { access } from '../../gen/latchkey/v1/access_pb.ts';

/** The reflection of these services; add it to a server with `addToServer`. */
export function reflectionOf(services: readonly DescService[]): ReflectionService {
  keepAccessOption();
  const files = new Set<DescFile>();
  for (const service of services) collect(service.file, files);
  const fileDescriptorProtos = [...files].map((file) =>
    Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)),
  );
  return new ReflectionService({
    latchkey: { format: 'Protocol Buffer 3 DescriptorProto', type: {}, fileDescriptorProtos },
  });
}

function collect(file: DescFile, files: Set<DescFile>): void {
  if (files.has(file)) return;
  files.add(file);
  for (const dependency of file.dependencies) collect(dependency, files);
}

// The reflection package re-encodes the descriptors by a schema of its own, which drops the options it does not know. Told of ours, as
// bytes under the same number, it passes them on as they are.
function keepAccessOption(): void {
  const name = 'latchkeyAccess';
  if (descriptor.MethodOptions.fields[name] !== undefined) return;
  descriptor.MethodOptions.add(new protobufjs.Field(name, access.number, 'bytes'));
}
