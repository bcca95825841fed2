// What a handler is: one function for each RPC, written once for every protocol.

import type { DescMessage, DescService, MessageShape } from '@bufbuild/protobuf';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import type { Call } from '../call.ts';
import type { Handler, Recall } from '../pipeline.ts';

/** A handler for every method of the service; nothing compiles while one is missing. */
export type ServiceHandlers<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: Service['method'][Name] extends {
    readonly input: infer Input extends DescMessage;
    readonly output: infer Output extends DescMessage;
  }
    ? (request: MessageShape<Input>, call: Call) => MaybePromise<MessageShape<Output>>
    : never;
};

/** A service with its handlers, their message types forgotten: adapters pair each with its own method's schemas. */
export type ServedService = {
  readonly service: DescService;
  readonly handlers: ReadonlyMap<string, Handler>;
  /** For methods whose answers are remembered. */
  readonly recalls: ReadonlyMap<string, Recall>;
};

/** Pairs a service with its handlers, by local method name. */
export function servedService<Service extends DescService>(
  service: Service,
  handlers: ServiceHandlers<Service>,
  recalls: Readonly<Record<string, Recall>> = {},
): ServedService {
  return {
    service,
    handlers: new Map(Object.entries<Handler>(handlers)),
    recalls: new Map(Object.entries(recalls)),
  };
}
