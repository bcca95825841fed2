// The one guard of every call: deadline → access → handler, which is charged to its limits when it has checked its request → error mapping and
// log. Knows no transport.

import type { DescMethod, Message } from '@bufbuild/protobuf';
import { fromBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import type { Principal } from '../../domain/access/principal.ts';
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
import { charge, charged } from './charge.ts';
import type { ClientAddress } from './client-address.ts';
import type { RpcError } from './error-table.ts';
import { toRpcError } from './error-table.ts';

/**
 * What a handler is: the request is decoded, the caller may make the call. Where the access rule names a limit, the handler awaits
 * `call.charge()` between checking the request and doing the work.
 */
export type Handler = (request: Message, call: Call) => MaybePromise<Message>;

/**
 * A handler that answers from the bytes of a request, when its caller may make the call; undefined for a request that has to be decoded, which
 * goes to the handler.
 */
export type EncodedHandler = (request: Buffer) => MaybePromise<Buffer> | undefined;

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
export type Outcome = Success | Failure;

/** The response of a call; `encoded` where a handler made it as bytes, then `response` decodes them. */
export type Success = { readonly response: Message; readonly encoded?: Buffer; readonly call: Call };

/** What a refused or failed call came to. */
export type Failure = { readonly error: RpcError; readonly call: Call };

/**
 * Serves one method: the request is decoded only after the caller has been let in. Never throws or rejects. What needs no look-up is
 * answered at once.
 */
export type ServeMethod = (transport: Transport, decode: () => Message) => MaybePromise<Outcome>;

type Response = Message | Buffer;

/** Composes the pipeline around one handler. Errors: Error when the method has no access rule. */
export function serveMethod(
  deps: PipelineDeps,
  method: DescMethod,
  handler: Handler,
  encodedHandler?: EncodedHandler,
): ServeMethod {
  const rule = deps.accessTable.get(method);
  if (rule === undefined) throw new Error(`${method.parent.typeName}/${method.name} has no access rule`);
  const { limitClass } = rule;
  const answer = ({ requestBytes }: Transport, decode: () => Message, call: Call) =>
    (requestBytes === undefined ? undefined : encodedHandler?.(requestBytes)) ?? handler(decode(), call);

  return (transport, decode) => {
    const call = new Call(method, transport, deps);
    const startTime = deps.clock.now();
    try {
      const response = after<Principal | undefined, Response>(callerOf(deps, rule, call), (principal) => {
        call.principal = principal;
        if (limitClass === undefined) return answer(transport, decode, call);
        return charged(deps, limitClass, call, () => answer(transport, decode, call));
      });
      if (response instanceof Promise) return withinTime(deps, call, startTime, response);
      return succeeded(deps, call, startTime, response);
    } catch (error) {
      return failed(deps, call, startTime, error);
    }
  };
}

// Work that is cut off goes on to the end of its step: a transaction is whole or not at all, and its outcome is nobody's news any more.
async function withinTime(
  deps: PipelineDeps,
  call: Call,
  startTime: number,
  work: Promise<Response>,
): Promise<Outcome> {
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
export function succeeded(deps: PipelineDeps, call: Call, startTime: number, response: Response): Outcome {
  if (deps.logger.isLevelEnabled('debug')) logCall(deps, call, startTime);
  return response instanceof Uint8Array ? new EncodedSuccess(response, call) : { response, call };
}

class EncodedSuccess implements Success {
  readonly encoded: Buffer;
  readonly call: Call;

  constructor(encoded: Buffer, call: Call) {
    this.encoded = encoded;
    this.call = call;
  }

  get response(): Message {
    return fromBinary(this.call.method.output, this.encoded);
  }
}

/** Logs why the call failed, and says what its caller is told. */
export function failed(deps: PipelineDeps, call: Call, startTime: number, error: unknown): Failure {
  if (error instanceof RateLimitedError) call.noteLimit(error.state);
  const rpcError = toRpcError(error, call.requestId);
  logFailure(deps, call, startTime, rpcError, error);
  return { error: rpcError, call };
}

/** Lets the caller of a stream in, and counts the call. Errors: those of `authenticate` and `requireAccess`, RATE_LIMITED. */
export async function admit(deps: PipelineDeps, rule: AccessRule, call: Call): Promise<void> {
  call.principal = await callerOf(deps, rule, call);
  if (rule.limitClass !== undefined) await charge(deps, rule.limitClass, call);
}

/** What the log says of every call. */
export function callFields(deps: PipelineDeps, call: Call, startTime: number) {
  return {
    rpc: `${call.method.parent.typeName}/${call.method.name}`,
    requestId: call.requestId,
    ip: call.origin.ipAddress,
    subject: call.principal?.subjectId,
    ms: deps.clock.now() - startTime,
  };
}

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
