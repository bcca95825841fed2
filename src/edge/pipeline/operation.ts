// What an endpoint is, whichever protocol brings its calls: its name, who may call it, what limits it, and what it does.

import type { DescMethod, Message } from '@bufbuild/protobuf';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import type { AccessRule, AccessTable } from './access-table.ts';
import type { Call } from './call.ts';

/**
 * One endpoint. An adapter decodes its requests and encodes its responses; everything between is the pipeline's. Where the access rule names a
 * limit, `run` awaits `call.charge()` between checking the request and doing the work.
 */
export type Operation<Request, Response> = {
  /** `package.Service/Method`, or the path of a plain HTTP endpoint. For the log and the audit log. */
  readonly name: string;
  readonly access: AccessRule;
  readonly run: (request: Request, call: Call) => MaybePromise<Response>;
};

/** What an RPC does: the request is decoded, the caller may make the call. */
export type Handler = (request: Message, call: Call) => MaybePromise<Message>;

/**
 * A handler that answers from the bytes of a request, when its caller may make the call; undefined for a request that has to be decoded, which
 * goes to the handler.
 */
export type EncodedHandler = (request: Buffer) => MaybePromise<Buffer> | undefined;

/** The request of an RPC as an adapter has it. */
export type RpcRequest = {
  /** In protobuf's binary format, where it came so; undefined also where the adapter takes no bytes for an answer. */
  readonly bytes: Buffer | undefined;
  /** Errors: VALIDATION_FAILED. */
  readonly decode: () => Message;
};

/** The response to an RPC; as bytes, in protobuf's binary format, where the request was bytes. */
export type RpcResponse = Message | Buffer;

/** `package.Service/Method`. */
export function nameOf(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** The access rule of an RPC. Errors: Error when it has none. */
export function ruleOf(accessTable: AccessTable, method: DescMethod): AccessRule {
  const rule = accessTable.get(method);
  if (rule === undefined) throw new Error(`${nameOf(method)} has no access rule`);
  return rule;
}

/** The operation of a unary RPC. Errors: Error when the method has no access rule. */
export function rpcOperation(
  accessTable: AccessTable,
  method: DescMethod,
  handler: Handler,
  encodedHandler?: EncodedHandler,
): Operation<RpcRequest, RpcResponse> {
  return {
    name: nameOf(method),
    access: ruleOf(accessTable, method),
    run({ bytes, decode }, call): MaybePromise<RpcResponse> {
      const encoded = bytes === undefined ? undefined : encodedHandler?.(bytes);
      return encoded ?? handler(decode(), call);
    },
  };
}
