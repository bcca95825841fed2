// What the pipeline asks of a unary gRPC request.

import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Transport } from '../pipeline/call.ts';
import type { GrpcRequest } from './unary.ts';

/** A request as the pipeline sees it. */
export class StreamTransport implements Transport {
  // No browser speaks gRPC.
  readonly takesCookies = false;
  readonly timeoutMs: number | undefined;
  /** Whether the call has been answered. */
  isAnswered = false;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;

  constructor({ stream, headers, timeoutMs }: GrpcRequest) {
    this.timeoutMs = timeoutMs;
    this.#stream = stream;
    this.#headers = headers;
  }

  get peerAddress(): string {
    return this.#stream.session?.socket.remoteAddress ?? '';
  }

  headerValues(name: string): readonly string[] {
    const value = this.#headers[name];
    if (value === undefined) return [];
    return Array.isArray(value) ? value : [value];
  }

  onCancelled(listener: () => void): void {
    const stream = this.#stream;
    if (stream.destroyed) listener();
    else
      stream.once('close', () => {
        if (!this.isAnswered) listener();
      });
  }
}
