// A gRPC request as it comes in, and why it is refused before it is a call.

import type { ServerHttp2Stream } from 'node:http2';
import { Code } from '@connectrpc/connect';
import type { DomainError } from '../../domain/errors.ts';
import { validationFailed } from '../../domain/errors.ts';
import type { UnfinishedRequest } from '../transport/unfinished-requests.ts';

/** Why a request is refused: as the domain does, or by a bare code. */
export type Refusal = DomainError | { readonly code: Code; readonly message: string };

/** A request as it comes in. */
export type Intake = {
  readonly stream: ServerHttp2Stream;
  /** `grpc-encoding`, or identity. */
  readonly encoding: string;
  readonly arrival: UnfinishedRequest;
  readonly refuse: (refusal: Refusal) => void;
  readonly maxBytes: number;
};

/** INVALID_ARGUMENT: the framing of the request is broken. */
export function malformed(description: string): DomainError {
  return validationFailed([{ field: '', description }]);
}

/** RESOURCE_EXHAUSTED: a message is longer than its method takes, also when it is inflated. */
export function tooLarge(maxBytes: number): Refusal {
  return { code: Code.ResourceExhausted, message: `A message is larger than ${maxBytes} bytes.` };
}

/** UNIMPLEMENTED: grpc-js would inflate as many of them as it reads ahead, each to whatever size. */
export const COMPRESSED_IN_STREAM: Refusal = {
  code: Code.Unimplemented,
  message: 'Where a request is a stream of messages, they are taken uncompressed.',
};

/** UNIMPLEMENTED (https://github.com/grpc/grpc/blob/master/doc/compression.md). */
export const UNKNOWN_ENCODING: Refusal = {
  code: Code.Unimplemented,
  message: 'The message is compressed by an encoding that is not known here.',
};
