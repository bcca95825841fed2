// How grpc-js learns of a service: its methods by path, with bytes that go through untouched.

import type { DescService } from '@bufbuild/protobuf';
import type { ServiceDefinition } from '@grpc/grpc-js';

/** What neither encodes nor decodes. */
export const bytesAsTheyAre = (bytes: Buffer) => bytes;

/** The methods of a service, none of which streams both ways. Whoever implements them decodes and encodes. */
export function definitionOf(service: DescService): ServiceDefinition {
  const entries = service.methods.map((method) => {
    const definition = {
      path: `/${service.typeName}/${method.name}`,
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
