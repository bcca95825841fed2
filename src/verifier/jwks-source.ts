// Where the keys come from: the JWKS document over HTTP, or GetJwks.

import type { Transport } from '@connectrpc/connect';
import { createClient } from '@connectrpc/connect';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import type { FetchJwks } from './key-set.ts';

const TIMEOUT_MS = 5_000;

/** Fetches from a URL (`/.well-known/jwks.json` of the service) or by GetJwks. Errors of the fetch: when the answer is not 200, or not JSON. */
export function jwksFrom(source: string | URL | Transport): FetchJwks {
  if (typeof source !== 'string' && !(source instanceof URL)) {
    const client = createClient(AuthService, source);
    return async () => {
      const { jwksJson } = await client.getJwks({}, { timeoutMs: TIMEOUT_MS });
      const document: unknown = JSON.parse(jwksJson);
      return document;
    };
  }
  const url = new URL(source);
  return async () => {
    // Whoever could redirect us could choose our keys.
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`the key set was answered with ${response.status}`);
    return response.json();
  };
}
