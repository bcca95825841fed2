// A gRPC request as it comes in, and why it is refused before it is a call.

import type { ServerHttp2Stream } from 'node:http2';
import { Code } from '@connectrpc/connect';
import type { Refusal } from '../pipeline/refusal.ts';
import type { UnfinishedRequest } from '../transport/unfinished-requests.ts';

/** A request as it comes in. */
export type Intake = {
  readonly stream: ServerHttp2Stream;
  /** `grpc-encoding`, or identity. */
  readonly encoding: string;
  readonly arrival: UnfinishedRequest;
  readonly refuse: (refusal: Refusal) => void;
  readonly maxBytes: number;
};

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
