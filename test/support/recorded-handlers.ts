// Handlers that note that they ran and do nothing else, for tests of what stands before a handler. A test file puts them in the
// place of the real ones:
//   vi.mock(import('../../src/edge/operations/handlers.ts'), async () => ({
//     servedService: (await import('./recorded-handlers.ts')).recordedService,
//   }));

import { create, type DescMethod, type DescService } from '@bufbuild/protobuf';
import type { Principal } from '../../src/domain/access/principal.ts';
import { accessTable, type AccessRule } from '../../src/edge/pipeline/access-table.ts';
import type { ClientStreamHandler } from '../../src/edge/pipeline/client-stream-pipeline.ts';
import type { ServedService } from '../../src/edge/operations/handlers.ts';
import type { Handler } from '../../src/edge/pipeline/operation.ts';
import type { StreamHandler } from '../../src/edge/pipeline/stream-pipeline.ts';
import { callMethod, endingOf, nameOf, type HeaderInput } from './rpc-calls.ts';
import type { Protocol, TestService } from './service.ts';

type Guarded = Extract<AccessRule, { mode: 'guarded' }>;

/** Headers by name, or as pairs where a name is repeated. */
export type CallHeaders = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

/** A guarded method with its rule. */
export type GuardedMethod = readonly [method: DescMethod, rule: Guarded];

const services = new Map<string, DescService>();

/** The methods whose handlers ran, in order, and who called them. */
export const ran: string[] = [];
export const callers: Array<Principal | undefined> = [];

/** Forgets what has run. */
export function clearRuns(): void {
  ran.length = 0;
  callers.length = 0;
}

/** Stands in for servedService; notes every service that the server registers. */
export function recordedService(service: DescService): ServedService {
  services.set(service.typeName, service);
  const handlersOf = <Handled>(kind: DescMethod['methodKind'], make: (method: DescMethod) => Handled) =>
    new Map(
      service.methods
        .filter(({ methodKind }) => methodKind === kind)
        .map((method) => [method.localName, make(method)]),
    );
  return {
    service,
    handlers: handlersOf('unary', recorder),
    streamHandlers: handlersOf('server_streaming', streamRecorder),
    clientStreamHandlers: handlersOf('client_streaming', clientStreamRecorder),
    encodedHandlers: new Map(),
  };
}

function streamRecorder(method: DescMethod): StreamHandler {
  const record = recorder(method);
  return async function* stream(request, call) {
    yield await record(request, call);
  };
}

function clientStreamRecorder(method: DescMethod): ClientStreamHandler {
  const record = recorder(method);
  return async (requests, call) => {
    for await (const request of requests) await record(request, call);
    return create(method.output);
  };
}

function recorder(method: DescMethod): Handler {
  return async (_request, call) => {
    ran.push(nameOf(method));
    callers.push(call.principal);
    return create(method.output);
  };
}

/** Every RPC that is served, with its rule. Meaningful once a service has started. */
export function servedRules(): ReadonlyArray<readonly [DescMethod, AccessRule]> {
  return [...accessTable([...services.values()], { anonymousValidation: false })];
}

/** Those that ask for a credential. */
export function guardedMethods(): readonly GuardedMethod[] {
  return servedRules().flatMap(([method, rule]) => (rule.mode === 'guarded' ? [[method, rule]] : []));
}

/** How each of `methods` ends when it is called with these headers and an empty message. */
export async function endings(
  service: TestService,
  protocol: Protocol,
  methods: readonly DescMethod[],
  headers: CallHeaders = {},
): Promise<Record<string, string>> {
  const transport = service.transport(protocol);
  const found: Record<string, string> = {};
  for (const method of methods)
    found[nameOf(method)] = await endingOf(callMethod(transport, method, headers as HeaderInput));
  return found;
}

/** The same ending for every one of `methods`. */
export function allEnd(methods: readonly DescMethod[], ending: string): Record<string, string> {
  return Object.fromEntries(methods.map((method) => [nameOf(method), ending]));
}
