// Watches over the body of a request until it has arrived whole: what takes too long, or is one too many, is answered and cut.

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  GiveUpReason,
  UnfinishedRequest,
  UnfinishedRequests,
} from '../transport/unfinished-requests.ts';
import { plainRequestId } from '../../domain/audit/call-origin.ts';
import { headerValues, answerAndCut } from './request.ts';
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

/** Counts a request that has a body among the unfinished ones, and gives each answer a request id unless the handler names one. */
export function trackArrival(
  unfinished: UnfinishedRequests,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const [given] = headerValues(request, 'x-request-id');
  response.setHeader('x-request-id', plainRequestId(given) ?? randomUUID());
  if (!hasBody(request)) return;
  const arrival = unfinished.begin(request.socket, (reason) => giveUp(request, response, reason));
  arrivals.set(request, arrival);
  request.once('end', () => arrival.finish());
  request.once('close', () => arrival.finish());
  response.once('finish', () => {
    arrival.finish();
    if (!request.complete) discardRest(request, arrival);
  });
}

function hasBody(request: IncomingMessage): boolean {
  if (request.httpVersionMajor > 1) return !request.complete;
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding !== undefined || (length !== undefined && length !== '0');
}

function giveUp(request: IncomingMessage, response: ServerResponse, reason: GiveUpReason): void {
  // It is there, and nobody has read it yet.
  if (request.complete) return;
  if (response.headersSent) {
    request.destroy();
    return;
  }
  const { status, code, message } = ANSWERS[reason];
  answerAndCut(request, response, () => sendJson(response, status, { code, message }));
}

// Of a request that was answered before it had arrived. Else the next one on its connection, which behind a proxy may be somebody else's, waits
// behind it (CWE-444 class).
function discardRest(request: IncomingMessage, arrival: UnfinishedRequest): void {
  const rest = arrival.another(() => request.destroy());
  request.once('end', () => rest.finish());
  request.once('close', () => rest.finish());
  if (request.httpVersionMajor > 1) return;
  // As long as somebody listens for this, nothing flows.
  request.removeAllListeners('readable');
  request.resume();
}
