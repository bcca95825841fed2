// The guard of calls that are answered by a stream: what the pipeline does for the others, and the credential is looked at as long as it lives.

import type { DescMethod, Message } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { DomainError } from '../domain/errors.ts';
import type { AccessRule } from './access-table.ts';
import type { Transport } from './call.ts';
import { Call } from './call.ts';
import type { CredentialWatchDeps } from './credential-watch.ts';
import { CredentialWatch } from './credential-watch.ts';
import type { OpenStreams } from './open-streams.ts';
import type { RpcError } from './error-table.ts';
import { toRpcError } from './error-table.ts';
import type { PipelineDeps } from './pipeline.ts';
import { admit, callFields, failed } from './pipeline.ts';

/** A handler that answers with a stream. It ends by itself, or soon after `call.signal` aborts; the stream is over then for everyone else. */
export type StreamHandler = (request: Message, call: Call) => AsyncIterable<Message>;

export type StreamPipelineDeps = PipelineDeps & CredentialWatchDeps & { readonly openStreams: OpenStreams };

/** What comes next: a message, or the end (without an error where the handler had no more to say). */
export type StreamStep = { readonly message: Message } | { readonly end: RpcError | undefined };

/** Begins to serve one method. Nothing is done before the first `next`. */
export type ServeStream = (transport: Transport, decode: () => Message) => ServedStream;

/** How often the credential of a silent stream is looked at. */
const CHECK_INTERVAL_MS = 1_000;

/**
 * Composes the pipeline around one handler: access → rate limit → decoding → handler → error mapping and log. No time limit of ours: a stream
 * ends with its caller, its caller's deadline, its credential, or this node. Errors: Error when the method has no access rule.
 */
export function serveStream(
  deps: StreamPipelineDeps,
  method: DescMethod,
  handler: StreamHandler,
): ServeStream {
  const rule = deps.accessTable.get(method);
  if (rule === undefined) throw new Error(`${method.parent.typeName}/${method.name} has no access rule`);
  return (transport, decode) =>
    new ServedStream(deps, rule, new Call(method, transport, deps), (call) => handler(decode(), call));
}

/** A stream as an adapter sees it. Ask for the next step when the one before has been written: that is all the back-pressure there is. */
export class ServedStream {
  readonly call: Call;
  readonly #deps: StreamPipelineDeps;
  readonly #rule: AccessRule;
  readonly #handle: (call: Call) => AsyncIterable<Message>;
  readonly #startTime: number;
  #credential: CredentialWatch | undefined;
  #messages: AsyncIterator<Message> | undefined;
  #ending: Error | undefined;
  #onEnding: (error: Error) => void = () => undefined;
  #release: () => void = () => undefined;

  constructor(
    deps: StreamPipelineDeps,
    rule: AccessRule,
    call: Call,
    handle: (call: Call) => AsyncIterable<Message>,
  ) {
    this.#deps = deps;
    this.#rule = rule;
    this.call = call;
    this.#handle = handle;
    this.#startTime = deps.clock.now();
  }

  /** Never rejects; nothing comes after the end. */
  async next(): Promise<StreamStep> {
    try {
      const step = await this.#unlessEnding(this.#nextMessage());
      if (step.done !== true) return { message: step.value };
      return { end: this.#close(undefined) };
    } catch (error) {
      return { end: this.#close(error) };
    }
  }

  async #nextMessage(): Promise<IteratorResult<Message>> {
    this.#messages ??= await this.#begin();
    const step = await this.#messages.next();
    if (this.#credential?.holds === false) await this.#credential.check();
    return step;
  }

  async #begin(): Promise<AsyncIterator<Message>> {
    this.call.transport.onCancelled(() => {
      this.#end(new DomainError('CALL_CANCELLED', 'The caller is gone.'));
      // Whoever waits for a reader that has gone waits forever.
      this.#release();
    });
    await admit(this.#deps, this.#rule, this.call);
    if (this.#ending !== undefined) throw this.#ending;
    const credential = new CredentialWatch(this.#deps, this.#rule, this.call);
    const leave = this.#deps.openStreams.enter((error) => this.#end(error));
    const timer = setInterval(() => {
      credential.check().catch((error: unknown) => this.#end(error));
    }, CHECK_INTERVAL_MS);
    this.#release = () => {
      clearInterval(timer);
      leave();
    };
    this.#credential = credential;
    return this.#handle(this.call)[Symbol.asyncIterator]();
  }

  /** Cuts the stream short, also while it waits for a message or for its reader. */
  #end(error: unknown): void {
    if (this.#ending !== undefined) return;
    this.#ending = error instanceof Error ? error : new Error(String(error));
    this.#onEnding(this.#ending);
    this.#stopHandler();
  }

  // One reaction at a time: a race for each message against one promise would keep them all.
  #unlessEnding<Value>(work: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#ending !== undefined) reject(this.#ending);
      this.#onEnding = reject;
      work.then(resolve, reject);
    });
  }

  // A handler that is cut short has nothing more to say, not even how it failed.
  #stopHandler(): void {
    this.call.abort();
    this.#messages?.return?.().catch(() => undefined);
  }

  #close(error: unknown): RpcError | undefined {
    const hasBegun = this.#messages !== undefined;
    this.#ending ??= new DomainError('CALL_CANCELLED', 'The stream has ended.');
    this.#stopHandler();
    this.#release();
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
