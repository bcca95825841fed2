// How grpc-js learns of a service: its methods by path, with bytes that go through untouched.

import type { DescMethod } from '@bufbuild/protobuf';
import type { ServiceDefinition } from '@grpc/grpc-js';

/** What neither encodes nor decodes. */
export const bytesAsTheyAre = (bytes: Buffer) => bytes;

/** Methods of a service, none of which streams both ways. Whoever implements them decodes and encodes. */
export function definitionOf(methods: readonly DescMethod[]): ServiceDefinition {
  const entries = methods.map((method) => {
    const definition = {
      path: `/${method.parent.typeName}/${method.name}`,
      requestStream: method.methodKind === 'client_streaming',
      responseStream: method.methodKind === 'server_streaming',
      requestSerialize: bytesAsTheyAre,
      requestDeserialize: bytesAsTheyAre,
      responseSerialize: bytesAsTheyAre,
      responseDeserialize: bytesAsTheyAre,
      originalName: method.localName,
    };
    return [method.name, definition] as const;
  });
  return Object.fromEntries(entries);
}
