// Watches over the body of a request that a library reads, until it has arrived whole: what takes too long, or is one too many, is answered and cut.

import type { GiveUpReason, UnfinishedRequest } from '../transport/unfinished-requests.ts';
import type { HttpExchange } from './exchange.ts';
import { hasBody } from './exchange.ts';
import { discard, giveUpBody } from './request-body.ts';
import { sendJson } from './response.ts';

const arrivals = new WeakMap<object, UnfinishedRequest>();

const ANSWERS: Readonly<Record<GiveUpReason, { status: number; code: string; message: string }>> = {
  late: { status: 408, code: 'deadline_exceeded', message: 'The request did not arrive in time.' },
  crowded: {
    status: 429,
    code: 'resource_exhausted',
    message: 'Too many requests are arriving at once. Try again.',
  },
};

/** The request's place among the unfinished ones; undefined when it has none. */
export function arrivalOf(request: object): UnfinishedRequest | undefined {
  return arrivals.get(request);
}

/** Counts a request that has a body among the unfinished ones. */
export function trackArrival(exchange: HttpExchange): void {
  const { request, response, unfinished } = exchange;
  if (!hasBody(request)) return;
  const arrival = unfinished.begin(request.socket, (reason) => giveUp(exchange, reason));
  arrivals.set(request, arrival);
  request.once('end', () => arrival.finish());
  request.once('close', () => arrival.finish());
  response.once('finish', () => {
    arrival.finish();
    if (!request.complete)
      discard(
        request,
        arrival.another(() => request.destroy()),
      );
  });
}

function giveUp(exchange: HttpExchange, reason: GiveUpReason): void {
  const { request, response } = exchange;
  // It is there, and nobody has read it yet.
  if (request.complete) return;
  if (response.headersSent) {
    request.destroy();
    return;
  }
  const { status, code, message } = ANSWERS[reason];
  exchange.closeAfterAnswer();
  sendJson(exchange, status, { code, message });
  if (request.httpVersionMajor > 1) giveUpBody(exchange);
}
