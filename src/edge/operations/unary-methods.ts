// The unary RPCs of all services behind the pipeline, as every adapter serves them.

import type { DescMethod } from '@bufbuild/protobuf';
import { nameOf } from '../pipeline/operation.ts';
import type { PipelineDeps, ServeMethod } from '../pipeline/pipeline.ts';
import { serveMethod } from '../pipeline/pipeline.ts';
import type { ServedService } from './handlers.ts';

/** A unary RPC. */
export type UnaryMethod = {
  /** Of its URL: `/package.Service/Method`. */
  readonly path: string;
  readonly method: DescMethod;
  readonly serve: ServeMethod;
};

/** The path of an RPC. */
export function pathOf(method: DescMethod): string {
  return `/${nameOf(method)}`;
}

/** All unary RPCs. Errors: Error when one has no access rule. */
export function unaryMethods(deps: PipelineDeps, services: readonly ServedService[]): readonly UnaryMethod[] {
  return services.flatMap(({ service, handlers, encodedHandlers }) =>
    service.methods.flatMap((method) => {
      const handler = handlers.get(method.localName);
      if (handler === undefined) return [];
      const serve = serveMethod(deps, method, handler, encodedHandlers.get(method.localName));
      return [{ path: pathOf(method), method, serve }];
    }),
  );
}
