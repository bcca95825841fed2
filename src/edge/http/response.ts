// Answers in JSON.

import type { HttpExchange } from './exchange.ts';

/** Headers of an answer that no cache may keep. */
export const NO_STORE = ['cache-control', 'no-store'] as const;

/** Answers with JSON, by default not to be stored. */
export function sendJson(
  exchange: HttpExchange,
  status: number,
  body: unknown,
  headers: readonly string[] = NO_STORE,
): void {
  exchange.send(status, JSON.stringify(body), ['content-type', 'application/json', ...headers]);
}
