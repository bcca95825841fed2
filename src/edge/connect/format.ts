// How the messages of a request over Connect and gRPC-Web are written, by its content type.

/** Protobuf's binary format, or its JSON format. */
export type MessageFormat = 'binary' | 'json';

const UNARY = /^application\/(?<format>proto|json)[ \t]*(?:;.*)?$/i;
const FRAMED = /^application\/(?:grpc-web|connect)(?:\+(?<format>proto|json))?[ \t]*(?:;.*)?$/i;
const GRPC_WEB = /^application\/grpc-web(?:[+; \t]|$)/i;

/** The format of a unary request of Connect; undefined for a type of something else. */
export function unaryFormatOf(contentType: string | undefined): MessageFormat | undefined {
  if (contentType === 'application/json') return 'json';
  if (contentType === 'application/proto') return 'binary';
  const format = UNARY.exec(contentType ?? '')?.groups?.['format']?.toLowerCase();
  if (format === undefined) return undefined;
  return format === 'json' ? 'json' : 'binary';
}

/** The format of messages in frames: streams of Connect, and gRPC-Web; undefined for a type of something else. */
export function framedFormatOf(contentType: string | undefined): MessageFormat | undefined {
  const match = FRAMED.exec(contentType ?? '');
  if (match === null) return undefined;
  return match.groups?.['format']?.toLowerCase() === 'json' ? 'json' : 'binary';
}

/** Whether the request is one of gRPC-Web. */
export function isGrpcWeb(contentType: string | undefined): boolean {
  return GRPC_WEB.test(contentType ?? '');
}
