// The one guard of every call: deadline → access → handler → error mapping and log. Knows no transport.

import type { DescMethod, Message } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { requireAccess } from '../domain/access/access-rule.ts';
import type { PresentedCredentials } from '../domain/access/authenticate.ts';
import type { Principal } from '../domain/access/principal.ts';
import type { Clock } from '../domain/clock.ts';
import { DomainError } from '../domain/errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { AccessRule, AccessTable } from './access-table.ts';
import type { Transport } from './call.ts';
import { Call } from './call.ts';
import type { ClientAddress } from './client-address.ts';
import type { RpcError } from './error-table.ts';
import { toRpcError } from './error-table.ts';

/** What a handler is: the request is decoded, the caller may make the call. */
export type Handler = (request: Message, call: Call) => Promise<Message>;

export type PipelineDeps = {
  readonly accessTable: AccessTable;
  readonly authenticate: (presented: PresentedCredentials) => Promise<Principal>;
  readonly clientAddress: ClientAddress;
  readonly clock: Clock;
  readonly logger: Logger;
  /** No call runs longer, whatever its caller allows. */
  readonly maxCallMs: number;
};

/** The outcome of a call. */
export type Outcome =
  | { readonly response: Message; readonly call: Call }
  | { readonly error: RpcError; readonly call: Call };

/** Serves one method: the request is decoded only after the caller has been let in. Never rejects. */
export type ServeMethod = (transport: Transport, decode: () => Message) => Promise<Outcome>;

/** Composes the pipeline around one handler. Errors: Error when the method has no access rule. */
export function serveMethod(deps: PipelineDeps, method: DescMethod, handler: Handler): ServeMethod {
  const rule = deps.accessTable.get(method);
  if (rule === undefined) throw new Error(`${method.parent.typeName}/${method.name} has no access rule`);

  const run = async (call: Call, decode: () => Message): Promise<Message> => {
    call.principal = await callerOf(deps, rule, call);
    return handler(decode(), call);
  };

  return (transport, decode) => {
    const call = new Call(method, transport, deps.clientAddress);
    const startTime = deps.clock.now();
    return new Promise((resolve) => {
      const fail = (error: unknown) => {
        clearTimeout(timer);
        resolve(failed(deps, call, startTime, error));
      };
      // Work that is cut off goes on to the end of its step: a transaction is whole or not at all, and its outcome is nobody's news any more.
      const timer = setTimeout(() => {
        call.abort();
        fail(new DomainError('DEADLINE_EXCEEDED', `The call took longer than ${deps.maxCallMs} ms.`));
      }, deps.maxCallMs);
      run(call, decode).then((response) => {
        clearTimeout(timer);
        if (deps.logger.isLevelEnabled('debug')) logCall(deps, call, startTime);
        resolve({ response, call });
      }, fail);
    });
  };
}

function failed(deps: PipelineDeps, call: Call, startTime: number, error: unknown): Outcome {
  const rpcError = toRpcError(error, call.requestId);
  logFailure(deps, call, startTime, rpcError, error);
  return { error: rpcError, call };
}

async function callerOf(deps: PipelineDeps, rule: AccessRule, call: Call): Promise<Principal | undefined> {
  if (rule.mode === 'public') return undefined;
  const { transport } = call;
  const presented = {
    authorization: transport.headerValues('authorization'),
    get apiKey() {
      return transport.headerValues('x-api-key');
    },
  };
  if (rule.mode === 'optional') return deps.authenticate(presented).catch(anonymousWhenRefused);
  const principal = await deps.authenticate(presented);
  requireAccess(rule, principal, deps.clock.now());
  return principal;
}

function anonymousWhenRefused(error: unknown): undefined {
  if (error instanceof DomainError && error.reason.startsWith('TOKEN_')) return undefined;
  throw error;
}

function callFields(deps: PipelineDeps, call: Call, startTime: number) {
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
