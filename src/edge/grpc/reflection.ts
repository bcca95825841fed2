// Server reflection (v1 and v1alpha) from our own descriptors: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md

import type { DescService, MessageInitShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import type { handleBidiStreamingCall, Server, ServerDuplexStream } from '@grpc/grpc-js';
import type {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from '../../../gen/grpc/reflection/v1/reflection_pb.ts';
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from '../../../gen/grpc/reflection/v1/reflection_pb.ts';
import { bytesAsTheyAre } from './definition.ts';
import { ReflectionIndex } from './reflection-index.ts';

/** The two versions differ in their package alone. */
const PATHS = ['v1', 'v1alpha'].map(
  (version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
);
/** A tool may keep its stream open while it does something else, and ask again. */
const IDLE_MS = 60_000;
/** Nobody shows a credential here. */
const MAX_STREAMS = 100;

/** Adds the reflection of these services, and of itself, to a server. */
export function addReflection(server: Server, services: readonly DescService[]): void {
  const index = new ReflectionIndex([...services, ServerReflection]);
  const serve = serving(index);
  for (const path of PATHS) {
    const definition = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: bytesAsTheyAre,
      requestDeserialize: bytesAsTheyAre,
      responseSerialize: bytesAsTheyAre,
      responseDeserialize: bytesAsTheyAre,
    };
    server.addService({ ServerReflectionInfo: definition }, { ServerReflectionInfo: serve });
  }
}

function serving(index: ReflectionIndex): handleBidiStreamingCall<Buffer, Buffer> {
  let streams = 0;
  return (call) => {
    if (streams >= MAX_STREAMS) {
      fail(call, Code.ResourceExhausted, `This node serves ${MAX_STREAMS} reflection streams already.`);
      return;
    }
    streams += 1;
    // Closed is what a call is in every case, at last.
    call.once('close', () => (streams -= 1));
    void answerAll(index, call);
  };
}

// One request after the other, each when the answer to the one before has been taken: answers are much larger than requests.
async function answerAll(index: ReflectionIndex, call: ServerDuplexStream<Buffer, Buffer>): Promise<void> {
  const idle = setTimeout(() => call.end(), IDLE_MS);
  try {
    // Whatever ends the loop, the call is there to be answered.
    const requests: AsyncIterable<Buffer> = call.iterator({ destroyOnReturn: false });
    for await (const bytes of requests) {
      idle.refresh();
      if (call.writableEnded) return;
      const response = answer(index, fromBinary(ServerReflectionRequestSchema, bytes));
      await written(call, Buffer.from(toBinary(ServerReflectionResponseSchema, response)));
    }
    call.end();
  } catch {
    fail(call, Code.InvalidArgument, `The request is not a ${ServerReflectionRequestSchema.typeName}.`);
  } finally {
    clearTimeout(idle);
  }
}

function written(call: ServerDuplexStream<Buffer, Buffer>, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    call.write(bytes, () => resolve());
  });
}

function fail(call: ServerDuplexStream<Buffer, Buffer>, code: Code, details: string): void {
  if (!call.cancelled) call.emit('error', { code, details });
}

/** The answer to one request; what is not there is an `error_response`, and the stream goes on. */
export function answer(index: ReflectionIndex, request: ServerReflectionRequest): ServerReflectionResponse {
  return create(ServerReflectionResponseSchema, {
    validHost: request.host,
    originalRequest: request,
    messageResponse: messageResponse(index, request.messageRequest),
  });
}

type MessageRequest = ServerReflectionRequest['messageRequest'];
type MessageResponse = NonNullable<
  MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']
>;

function messageResponse(index: ReflectionIndex, asked: MessageRequest): MessageResponse {
  switch (asked.case) {
    case 'listServices':
      return {
        case: 'listServicesResponse',
        value: { service: index.services.map((name) => ({ name })) },
      };
    case 'fileByFilename':
      return filesOr(index.fileByName(asked.value), `There is no file ${asked.value}.`);
    case 'fileContainingSymbol':
      return filesOr(index.fileContainingSymbol(plain(asked.value)), `There is no symbol ${asked.value}.`);
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = asked.value;
      const files = index.fileContainingExtension(plain(containingType), extensionNumber);
      return filesOr(files, `There is no extension ${extensionNumber} of ${containingType}.`);
    }
    case 'allExtensionNumbersOfType': {
      const extensionNumber = index.extensionNumbers(plain(asked.value));
      if (extensionNumber === undefined) return errorOf(Code.NotFound, `There is no type ${asked.value}.`);
      const value = { baseTypeName: asked.value, extensionNumber: [...extensionNumber] };
      return { case: 'allExtensionNumbersResponse', value };
    }
    case undefined:
      return errorOf(Code.InvalidArgument, 'The request asks for nothing that this server knows.');
  }
}

// Written with a dot before them or without.
function plain(name: string): string {
  return name.replace(/^\./, '');
}

function filesOr(files: readonly Uint8Array[] | undefined, otherwise: string): MessageResponse {
  if (files === undefined) return errorOf(Code.NotFound, otherwise);
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto: [...files] } };
}

function errorOf(errorCode: Code, errorMessage: string): MessageResponse {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}
