// What the pipeline asks of a request over HTTP.

import type { Transport } from '../pipeline/call.ts';
import type { HttpExchange } from './exchange.ts';

export type HttpTransportOptions = {
  /** Whether cookies are looked at and set. */
  readonly takesCookies: boolean;
  /** Milliseconds that the caller gives the call. */
  readonly timeoutMs?: number | undefined;
};

/** A request as the pipeline sees it. */
export class HttpTransport implements Transport {
  readonly takesCookies: boolean;
  readonly timeoutMs: number | undefined;
  readonly #exchange: HttpExchange;

  constructor(exchange: HttpExchange, { takesCookies, timeoutMs }: HttpTransportOptions) {
    this.#exchange = exchange;
    this.takesCookies = takesCookies;
    this.timeoutMs = timeoutMs;
  }

  get requestId(): string {
    return this.#exchange.requestId;
  }

  get peerAddress(): string {
    return this.#exchange.request.socket.remoteAddress ?? '';
  }

  headerValues(name: string): readonly string[] {
    const value = this.#exchange.header(name);
    return value === undefined ? [] : [value];
  }

  onCancelled(listener: () => void): void {
    this.#exchange.onGone(listener);
  }
}
