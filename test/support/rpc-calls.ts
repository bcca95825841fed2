// Calls any RPC by its descriptor, and reads what a refused call says.

import { create, type DescMessage, type DescMethod, type MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
  type ErrorInfo,
} from '../../gen/google/rpc/error_details_pb.ts';

/** Headers in any form that the platform takes. */
export type HeaderInput = ConstructorParameters<typeof Headers>[0];

/** How a call ended, in words: `OK`, or code, reason and domain. */
export type Ending = string;

/** What a refused call says of itself. */
export type Refusal = {
  readonly code: keyof typeof Code;
  readonly reason: string;
  readonly domain: string;
  readonly message: string;
  readonly metadata: ErrorInfo['metadata'];
  /** The fields that the answer names. */
  readonly fields: readonly string[];
  readonly retryAfterSeconds: number | undefined;
};

/** `Package.Service/Method`, without the package. */
export function nameOf(method: DescMethod): string {
  return `${method.parent.name}/${method.name}`;
}

/** Calls `method`, whatever its kind, with one message; resolves when it has ended well, or has begun to answer with a stream. */
export async function callMethod(
  transport: Transport,
  method: DescMethod,
  headers: HeaderInput = {},
  input: MessageInitShape<DescMessage> = {},
): Promise<void> {
  const message = create(method.input, input);
  if (isUnary(method)) {
    await transport.unary(method, undefined, undefined, headers, message);
    return;
  }
  const gone = new AbortController();
  try {
    const { message: answers } = await transport.stream(
      method as Parameters<Transport['stream']>[0],
      gone.signal,
      undefined,
      headers,
      only(message),
    );
    await answers[Symbol.asyncIterator]().next();
  } finally {
    gone.abort();
  }
}

/** The refusal that `call` ends in. Errors: Error when the call ends well. */
export async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => ConnectError.from(reason),
  );
  if (error === undefined) throw new Error('the call was not refused');
  return readRefusal(error);
}

/** `OK`, or `Code REASON domain`: short enough to compare a whole matrix of them. */
export async function endingOf(call: Promise<unknown>): Promise<Ending> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    const { code, reason, domain } = readRefusal(ConnectError.from(error));
    return `${code} ${reason} ${domain}`;
  }
}

/** What a refusal says of itself. */
export function readRefusal(error: ConnectError): Refusal {
  const [info] = error.findDetails(ErrorInfoSchema);
  const violations = error.findDetails(BadRequestSchema).flatMap((request) => request.fieldViolations);
  const [retry] = error.findDetails(RetryInfoSchema);
  const delay = retry?.retryDelay;
  return {
    code: Code[error.code] as keyof typeof Code,
    reason: info?.reason ?? '',
    domain: info?.domain ?? '',
    message: error.rawMessage,
    metadata: info?.metadata ?? {},
    fields: violations.map((violation) => violation.field),
    retryAfterSeconds: delay === undefined ? undefined : Number(delay.seconds) + delay.nanos / 1e9,
  };
}

function isUnary(method: DescMethod): method is Parameters<Transport['unary']>[0] {
  return method.methodKind === 'unary';
}

async function* only<Item>(item: Item): AsyncGenerator<Item, void> {
  yield item;
}
