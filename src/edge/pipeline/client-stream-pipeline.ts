// The guard of calls that are asked by a stream: nothing of it is read before the caller has been admitted, and never more than is asked for.

import type { DescMethod, Message } from '@bufbuild/protobuf';
import type { Transport } from './call.ts';
import { Call } from './call.ts';
import { nameOf, ruleOf } from './operation.ts';
import type { Outcome } from './pipeline.ts';
import { failed, succeeded } from './pipeline.ts';
import type { StreamPipelineDeps } from './stream-life.ts';
import { StreamLife } from './stream-life.ts';

/**
 * A handler that is asked by a stream. Whatever ends the call early ends its iteration, by the error that says why; what it has under way goes
 * on to the end of its step, and then the caller gets the handler's result.
 */
export type ClientStreamHandler = (requests: AsyncIterable<Message>, call: Call) => Promise<Message>;

/** A message as the adapter hands it over: decoded when it is asked for. Errors: VALIDATION_FAILED. */
export type UndecodedMessage = () => Message;

/** Serves one method. Nothing of `messages` is asked for before the caller has been admitted. Never rejects. */
export type ServeClientStream = (
  transport: Transport,
  messages: AsyncIterable<UndecodedMessage>,
) => Promise<Outcome>;

/**
 * Composes the pipeline around one handler: access → rate limit → handler, which draws the messages, each decoded as it comes → error mapping
 * and log; how long a stream lives, StreamLife says. Errors: Error when the method has no access rule.
 */
export function serveClientStream(
  deps: StreamPipelineDeps,
  method: DescMethod,
  handler: ClientStreamHandler,
): ServeClientStream {
  const rule = ruleOf(deps.accessTable, method);
  const name = nameOf(method);
  return async (transport, messages) => {
    const call = new Call(name, transport, deps);
    const startTime = deps.clock.now();
    const life = new StreamLife(deps, rule, call, () => undefined);
    const leave = deps.activeCalls.enter();
    try {
      await life.begin();
      return succeeded(deps, call, startTime, await handler(requestsOf(life, messages), call));
    } catch (error) {
      return failed(deps, call, startTime, error);
    } finally {
      life.close();
      leave();
    }
  };
}

async function* requestsOf(
  life: StreamLife,
  messages: AsyncIterable<UndecodedMessage>,
): AsyncGenerator<Message> {
  const source = messages[Symbol.asyncIterator]();
  for (;;) {
    const step = await life.unlessEnding(source.next());
    if (step.done === true) return;
    await life.unlessEnding(life.confirm());
    yield step.value();
  }
}
