// Reads the body of a request whole, within bounds of size, memory and time.

import { GrowingBuffer } from '../transport/growing-buffer.ts';
import { resetSoon } from '../transport/reset-stream.ts';
import type { GiveUpReason, UnfinishedRequest } from '../transport/unfinished-requests.ts';
import type { HttpExchange, HttpRequest } from './exchange.ts';

/** Why a body was not read: it is longer than it may be, its sender has gone, or it was given up. */
export type BodyFault = 'too-long' | 'gone' | GiveUpReason;

/** What became of a body. */
export type Body = { readonly bytes: Buffer } | { readonly fault: BodyFault };

/**
 * Reads the body and calls `done` once. A body that is announced to be too long is not read at all. Whoever answers to a fault calls
 * `giveUpBody` when the answer has been sent.
 */
export function readBody(exchange: HttpExchange, maxBytes: number, done: (body: Body) => void): void {
  new BodyReader(exchange, maxBytes, done).begin();
}

/**
 * Gives up what is still to come of the body of a request that has been answered. Else the next request on its connection, which behind a
 * proxy may be somebody else's, waits behind it (CWE-444 class).
 */
export function giveUpBody({ request, unfinished }: HttpExchange): void {
  if (request.complete) return;
  if ('stream' in request) resetSoon(request.stream);
  else
    discard(
      request,
      unfinished.begin(request.socket, () => request.destroy()),
    );
}

/** Reads the rest of a body and drops it, for as long as `rest` may take. */
export function discard(request: HttpRequest, rest: UnfinishedRequest): void {
  request.once('end', () => rest.finish());
  request.once('close', () => rest.finish());
  if (request.httpVersionMajor > 1) return;
  // As long as somebody listens for this, nothing flows.
  request.removeAllListeners('readable');
  request.resume();
}

class BodyReader {
  readonly #request: HttpRequest;
  readonly #maxBytes: number;
  readonly #arrival: UnfinishedRequest;
  #done: ((body: Body) => void) | undefined;
  #whole: Buffer | undefined;
  #collected: GrowingBuffer | undefined;

  constructor({ request, unfinished }: HttpExchange, maxBytes: number, done: (body: Body) => void) {
    this.#request = request;
    this.#maxBytes = maxBytes;
    this.#done = done;
    this.#arrival = unfinished.begin(request.socket, (reason) => this.#end({ fault: reason }));
  }

  begin(): void {
    const request = this.#request;
    if (Number(request.headers['content-length'] ?? 0) > this.#maxBytes)
      return this.#end({ fault: 'too-long' });
    request.on('data', (chunk: Buffer) => this.#take(chunk));
    request.once('end', () => this.#end({ bytes: this.#whole ?? this.#collected?.bytes ?? EMPTY }));
    // Stays: an error that nobody listens for ends the process.
    request.on('error', () => this.#end({ fault: 'gone' }));
    request.once('close', () => this.#end({ fault: 'gone' }));
  }

  #take(chunk: Buffer): void {
    if (this.#done === undefined) return;
    const length = (this.#collected?.length ?? 0) + chunk.length;
    if (length > this.#maxBytes) return this.#end({ fault: 'too-long' });
    // Most bodies come in one piece, which needs no copy.
    if (this.#collected === undefined && Number(this.#request.headers['content-length']) === chunk.length) {
      this.#whole = chunk;
      return;
    }
    this.#collected ??= new GrowingBuffer();
    this.#collected.append(chunk);
    this.#arrival.hold(this.#collected.heldBytes);
  }

  #end(body: Body): void {
    const done = this.#done;
    if (done === undefined) return;
    this.#done = undefined;
    this.#arrival.finish();
    done(body);
  }
}

const EMPTY = Buffer.alloc(0);
