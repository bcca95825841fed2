// A back end that calls for its users may state their addresses, so that they do not all count as one.

import type { PresentedCredentials } from '../../domain/access/authenticate.ts';
import type { Principal } from '../../domain/access/principal.ts';
import { DomainError } from '../../domain/errors.ts';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { Call } from './call.ts';

/** The scope of a service's API key by which its word on addresses counts. */
export const FORWARD_SCOPE = 'clients:forward';

export type StatedAddressDeps = {
  readonly authenticate: (presented: PresentedCredentials) => MaybePromise<Principal>;
  readonly logger: Logger;
};

/**
 * Believes `x-forwarded-for` of a caller who shows, in `x-api-key`, the key of a service with FORWARD_SCOPE: the address that it states counts
 * for limits, the audit log and the session list. Beside `authorization` that key proves nothing else. The header of any other caller is ignored,
 * as if it were not there, and so is that of a key that cannot be looked up now: then the caller's own address counts. Errors: none but bugs.
 */
export function believeStatedAddress(deps: StatedAddressDeps, call: Call): MaybePromise<void> {
  const { transport } = call;
  const apiKey = transport.headerValues('x-api-key');
  if (apiKey.length === 0 || transport.headerValues('x-forwarded-for').length === 0) return undefined;
  return believeHolder(deps, call, apiKey);
}

async function believeHolder(deps: StatedAddressDeps, call: Call, apiKey: readonly string[]): Promise<void> {
  if (await mayState(deps, call, apiKey)) call.believeSender();
}

async function mayState(deps: StatedAddressDeps, call: Call, apiKey: readonly string[]): Promise<boolean> {
  try {
    // Where a key is bound to networks, the address of its holder counts.
    const presented = { authorization: [], apiKey, clientAddress: call.clientAddress };
    const { kind, scopes } = await deps.authenticate(presented);
    return kind === 'service' && scopes.includes(FORWARD_SCOPE);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    deps.logger.debug({ reason: error.reason }, 'x-forwarded-for passed over: its x-api-key is not good');
    return false;
  }
}
