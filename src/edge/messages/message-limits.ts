// How large a request message may be, method by method: known before any of it is read, and before its caller is.

import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { AdminService } from '../../../gen/latchkey/v1/admin_service_pb.ts';
import { AuthService } from '../../../gen/latchkey/v1/auth_service_pb.ts';
import type { RequestShape } from '../grpc/gate.ts';

/** Enough for whatever the rules of the fields allow, written as JSON with every character escaped too. */
export const SMALL_MESSAGE_BYTES = 131_072;

/** What many things travel in at once. */
const LARGE: ReadonlySet<DescMethod> = new Set<DescMethod>([
  AdminService.method.importUsers,
  AuthService.method.batchValidateTokens,
]);

/** The limit of each method in bytes, where no message may have more than `maxMessageBytes`. */
export function messageLimits(maxMessageBytes: number): (method: DescMethod) => number {
  const small = Math.min(SMALL_MESSAGE_BYTES, maxMessageBytes);
  return (method) => (LARGE.has(method) ? maxMessageBytes : small);
}

/** What other services of the gRPC port take: names. */
const AUXILIARY_BYTES = 4_096;
const AUXILIARY: ReadonlyArray<readonly [path: string, shape: RequestShape]> = [
  ['/grpc.health.v1.Health/Check', { isStream: false, maxBytes: AUXILIARY_BYTES }],
  ['/grpc.health.v1.Health/List', { isStream: false, maxBytes: AUXILIARY_BYTES }],
  ['/grpc.health.v1.Health/Watch', { isStream: false, maxBytes: AUXILIARY_BYTES }],
  ...['v1', 'v1alpha'].map(
    (version) =>
      [
        `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
        { isStream: true, maxBytes: AUXILIARY_BYTES },
      ] as const,
  ),
];

/** The shape of the requests of every method on the gRPC port, by its path. */
export function requestShapes(
  services: readonly DescService[],
  limitOf: (method: DescMethod) => number,
): ReadonlyMap<string, RequestShape> {
  const ours = services.flatMap(({ typeName, methods }) =>
    methods.map((method) => {
      const shape = { isStream: method.methodKind === 'client_streaming', maxBytes: limitOf(method) };
      return [`/${typeName}/${method.name}`, shape] as const;
    }),
  );
  return new Map([...ours, ...AUXILIARY]);
}
