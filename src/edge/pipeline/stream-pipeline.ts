// The guard of calls that are answered by a stream: what the pipeline does for the others, and the credential is looked at as long as it lives.

import type { DescMethod, Message } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import type { AccessRule } from './access-table.ts';
import type { Transport } from './call.ts';
import { Call } from './call.ts';
import type { RpcError } from './error-table.ts';
import { toRpcError } from './error-table.ts';
import { nameOf, ruleOf } from './operation.ts';
import { callFields, failed } from './pipeline.ts';
import type { StreamPipelineDeps } from './stream-life.ts';
import { StreamLife } from './stream-life.ts';

/** A handler that answers with a stream. It ends by itself, or soon after `call.signal` aborts; the stream is over then for everyone else. */
export type StreamHandler = (request: Message, call: Call) => AsyncIterable<Message>;

/** What comes next: a message, or the end (without an error where the handler had no more to say). */
export type StreamStep = { readonly message: Message } | { readonly end: RpcError | undefined };

/** Begins to serve one method. Nothing is done before the first `next`. */
export type ServeStream = (transport: Transport, decode: () => Message) => ServedStream;

/**
 * Composes the pipeline around one handler: access → rate limit → decoding → handler → error mapping and log; how long a stream lives,
 * StreamLife says. Errors: Error when the method has no access rule.
 */
export function serveStream(
  deps: StreamPipelineDeps,
  method: DescMethod,
  handler: StreamHandler,
): ServeStream {
  const rule = ruleOf(deps.accessTable, method);
  const name = nameOf(method);
  return (transport, decode) =>
    new ServedStream(deps, rule, new Call(name, transport, deps), (call) => handler(decode(), call));
}

/** A stream as an adapter sees it. Ask for the next step when the one before has been written: that is all the back-pressure there is. */
export class ServedStream {
  readonly call: Call;
  readonly #deps: StreamPipelineDeps;
  readonly #handle: (call: Call) => AsyncIterable<Message>;
  readonly #startTime: number;
  readonly #life: StreamLife;
  #messages: AsyncIterator<Message> | undefined;

  constructor(
    deps: StreamPipelineDeps,
    rule: AccessRule,
    call: Call,
    handle: (call: Call) => AsyncIterable<Message>,
  ) {
    this.#deps = deps;
    this.call = call;
    this.#handle = handle;
    this.#startTime = deps.clock.now();
    // A handler that is cut short has nothing more to say, not even how it failed.
    this.#life = new StreamLife(deps, rule, call, () => {
      this.#messages?.return?.().catch(() => undefined);
    });
  }

  /** Never rejects; nothing comes after the end. */
  async next(): Promise<StreamStep> {
    try {
      const step = await this.#life.unlessEnding(this.#nextMessage());
      if (step.done !== true) return { message: step.value };
      return { end: this.#close(undefined) };
    } catch (error) {
      return { end: this.#close(error) };
    }
  }

  async #nextMessage(): Promise<IteratorResult<Message>> {
    this.#messages ??= await this.#begin();
    const step = await this.#messages.next();
    await this.#life.confirm();
    return step;
  }

  async #begin(): Promise<AsyncIterator<Message>> {
    await this.#life.begin();
    return this.#handle(this.call)[Symbol.asyncIterator]();
  }

  #close(error: unknown): RpcError | undefined {
    const hasBegun = this.#messages !== undefined;
    this.#life.close();
    if (!hasBegun) return failed(this.#deps, this.call, this.#startTime, error).error;
    const rpcError = error === undefined ? undefined : toRpcError(error, this.call.requestId);
    this.#logEnd(rpcError, error);
    return rpcError;
  }

  #logEnd(rpcError: RpcError | undefined, error: unknown): void {
    const code = rpcError === undefined ? 'OK' : Code[rpcError.code];
    const fields = { ...callFields(this.#deps, this.call, this.#startTime), code, reason: rpcError?.reason };
    if (rpcError?.reason === 'INTERNAL') this.#deps.logger.error({ ...fields, err: error }, 'stream failed');
    else this.#deps.logger.info(fields, 'stream ended');
  }
}
