// What a handler is: one function for each RPC, written once for every protocol.

import type { DescMessage, DescService, MessageShape } from '@bufbuild/protobuf';
import type { Call } from '../call.ts';
import type { Handler } from '../pipeline.ts';

/** A handler for every method of the service; nothing compiles while one is missing. */
export type ServiceHandlers<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: Service['method'][Name] extends {
    readonly input: infer Input extends DescMessage;
    readonly output: infer Output extends DescMessage;
  }
    ? (request: MessageShape<Input>, call: Call) => Promise<MessageShape<Output>>
    : never;
};

/** A service with its handlers, their message types forgotten: adapters pair each with its own method's schemas. */
export type ServedService = {
  readonly service: DescService;
  readonly handlers: ReadonlyMap<string, Handler>;
};

/** Pairs a service with its handlers, by local method name. */
export function servedService<Service extends DescService>(
  service: Service,
  handlers: ServiceHandlers<Service>,
): ServedService {
  return { service, handlers: new Map(Object.entries<Handler>(handlers)) };
}
