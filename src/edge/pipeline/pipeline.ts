// The one guard of every call: access → operation, which is charged to its limits when it has checked its request → deadline → error mapping and
// log. Knows no transport.

import type { DescMethod, Message } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { DomainError } from '../../domain/errors.ts';
import { RateLimitedError } from '../../domain/limits/rate-limited.ts';
import type { RateLimiter } from '../../domain/limits/rate-limiter.ts';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import { after } from '../../domain/maybe-promise.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { AccessRule, AccessTable } from './access-table.ts';
import type { ActiveCalls } from './active-calls.ts';
import type { Transport } from './call.ts';
import { Call } from './call.ts';
import type { CallerDeps } from './caller.ts';
import { callerOf } from './caller.ts';
import { allowedCaller, charge, charged } from './charge.ts';
import type { ClientAddress } from './client-address.ts';
import type { RpcError } from './error-table.ts';
import { toRpcError } from './error-table.ts';
import type { EncodedHandler, Handler, Operation, RpcRequest, RpcResponse } from './operation.ts';
import { rpcOperation } from './operation.ts';

export type PipelineDeps = CallerDeps & {
  readonly accessTable: AccessTable;
  readonly clientAddress: ClientAddress;
  /** Whose pages may call by the session cookie. */
  readonly cookieOrigins: ReadonlySet<string>;
  readonly rateLimiter: RateLimiter;
  readonly logger: Logger;
  /** No call runs longer, whatever its caller allows. */
  readonly maxCallMs: number;
  readonly activeCalls: ActiveCalls;
};

/** The outcome of a call. */
export type Outcome<Response = Message> = { readonly response: Response; readonly call: Call } | Failure;

/** What a refused or failed call came to; `cause` is for adapters that write errors by a table of their own. */
export type Failure = { readonly error: RpcError; readonly cause: unknown; readonly call: Call };

/**
 * Serves one operation: the request is decoded only after the caller is known to be allowed. Never throws or rejects. What needs no look-up
 * is answered at once.
 */
export type ServeOperation<Request, Response> = (
  transport: Transport,
  decode: () => Request,
) => MaybePromise<Outcome<Response>>;

/** As ServeOperation, for a unary RPC. */
export type ServeMethod = ServeOperation<RpcRequest, RpcResponse>;

/** Composes the pipeline around one operation. */
export function serveOperation<Request, Response>(
  deps: PipelineDeps,
  operation: Operation<Request, Response>,
): ServeOperation<Request, Response> {
  const { name, access, run } = operation;
  const { limitClass } = access;
  return (transport, decode) => {
    const call = new Call(name, transport, deps);
    const startTime = deps.clock.now();
    try {
      requireTime(transport);
      const response = after(allowedCaller(deps, access, call), (principal) => {
        call.principal = principal;
        if (limitClass === undefined) return run(decode(), call);
        return charged(deps, limitClass, call, () => run(decode(), call));
      });
      if (response instanceof Promise) return withinTime(deps, call, startTime, response);
      return succeeded(deps, call, startTime, response);
    } catch (error) {
      return failed(deps, call, startTime, error);
    }
  };
}

// Also of a call that is answered at once.
function requireTime({ timeoutMs }: Transport): void {
  if (timeoutMs !== undefined && timeoutMs <= 0)
    throw new DomainError(
      'DEADLINE_EXCEEDED',
      'The deadline of the call had passed when its request had arrived.',
    );
}

/** `serveOperation` for a unary RPC. Errors: Error when the method has no access rule. */
export function serveMethod(
  deps: PipelineDeps & { readonly accessTable: AccessTable },
  method: DescMethod,
  handler: Handler,
  encodedHandler?: EncodedHandler,
): ServeMethod {
  return serveOperation(deps, rpcOperation(deps.accessTable, method, handler, encodedHandler));
}

// Work that is cut off goes on to the end of its step: a transaction is whole or not at all, and its outcome is reported to nobody.
async function withinTime<Response>(
  deps: PipelineDeps,
  call: Call,
  startTime: number,
  work: Promise<Response>,
): Promise<Outcome<Response>> {
  const { promise: timeUp, reject } = Promise.withResolvers<never>();
  const limitMs = Math.max(0, Math.min(deps.maxCallMs, call.transport.timeoutMs ?? Infinity));
  const timer = setTimeout(() => {
    reject(new DomainError('DEADLINE_EXCEEDED', `The call took longer than ${Math.ceil(limitMs)} ms.`));
    call.abort();
  }, limitMs);
  // Until the work itself has ended, also when its caller no longer waits.
  const leave = deps.activeCalls.enter();
  work.then(leave, leave);
  try {
    return succeeded(deps, call, startTime, await Promise.race([work, timeUp]));
  } catch (error) {
    return failed(deps, call, startTime, error);
  } finally {
    clearTimeout(timer);
  }
}

/** Logs that the call went well. */
export function succeeded<Response>(
  deps: PipelineDeps,
  call: Call,
  startTime: number,
  response: Response,
): Outcome<Response> {
  if (deps.logger.isLevelEnabled('debug')) logCall(deps, call, startTime);
  return { response, call };
}

/** Logs why the call failed, and answers the status for its caller. */
export function failed(deps: PipelineDeps, call: Call, startTime: number, error: unknown): Failure {
  if (error instanceof RateLimitedError) call.noteLimit(error.state);
  const rpcError = toRpcError(error, call.requestId);
  logFailure(deps, call, startTime, rpcError, error);
  return { error: rpcError, cause: error, call };
}

/** Admits the caller of a stream, and counts the call. Errors: those of `authenticate` and `requireAccess`, RATE_LIMITED. */
export async function admit(deps: PipelineDeps, rule: AccessRule, call: Call): Promise<void> {
  call.principal = await callerOf(deps, rule, call);
  if (rule.limitClass !== undefined) await charge(deps, rule.limitClass, call);
}

/** What the log says of every call. */
export function callFields(deps: PipelineDeps, call: Call, startTime: number) {
  return {
    [isPath(call.operation) ? 'path' : 'rpc']: call.operation,
    requestId: call.requestId,
    ip: call.origin.ipAddress,
    subject: call.principal?.subjectId,
    ms: deps.clock.now() - startTime,
  };
}

const isPath = (name: string) => name.startsWith('/');

function logCall(deps: PipelineDeps, call: Call, startTime: number): void {
  deps.logger.debug({ ...callFields(deps, call, startTime), code: 'OK' }, 'call');
}

function logFailure(
  deps: PipelineDeps,
  call: Call,
  startTime: number,
  rpcError: RpcError,
  error: unknown,
): void {
  const fields = { ...callFields(deps, call, startTime), code: Code[rpcError.code], reason: rpcError.reason };
  if (rpcError.reason === 'INTERNAL') deps.logger.error({ ...fields, err: error }, 'call failed');
  else if (rpcError.code === Code.Unavailable) deps.logger.warn({ ...fields, err: error }, 'call failed');
  else deps.logger.info(fields, 'call refused');
}
