// What an endpoint is, whichever protocol brings its calls: its name, who may call it, what limits it, and what it does.

import type { DescMethod, Message } from '@bufbuild/protobuf';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import type { AccessRule, AccessTable } from './access-table.ts';
import type { Call, Transport } from './call.ts';

/**
 * One endpoint. An adapter decodes its requests and encodes its responses; everything between is the pipeline's. Where the access rule names a
 * limit, `run` awaits `call.charge()` between checking the request and doing the work.
 */
export type Operation<Request, Response> = {
  /** `package.Service/Method`, or the path of a plain HTTP endpoint. For the log and the audit log. */
  readonly name: string;
  readonly access: AccessRule;
  readonly run: (request: Request, call: Call) => MaybePromise<Response>;
  /** The cached response, where it still holds for this caller. It checks the credential itself. */
  readonly lookup?: ((transport: Transport) => Response | undefined) | undefined;
};

/** What an RPC does: the request is decoded, the caller may make the call. */
export type Handler = Operation<Message, Message>['run'];

/** The cached response to an RPC. */
export type CacheLookup = NonNullable<Operation<Message, Message>['lookup']>;

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
  run: Handler,
  lookup?: CacheLookup,
): Operation<Message, Message> {
  return { name: nameOf(method), access: ruleOf(accessTable, method), run, lookup };
}
