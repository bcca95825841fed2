// Why a request is refused before it is a call, or a response is not sent: the same words on every protocol.

import { Code } from '@connectrpc/connect';
import { DomainError, validationFailed } from '../../domain/errors.ts';
import type { RpcError } from './error-table.ts';
import { toRpcError } from './error-table.ts';

/** By a bare code, where no reason of the domain says it. */
export type BareRefusal = { readonly code: Code; readonly message: string };

/** As the domain does, or by a bare code. */
export type Refusal = DomainError | BareRefusal;

/** INVALID_ARGUMENT: the form of the request is broken. */
export function malformed(description: string): DomainError {
  return validationFailed([{ field: '', description }]);
}

/** RESOURCE_EXHAUSTED: a message is longer than its method takes, also when it is inflated. */
export function tooLarge(maxBytes: number): BareRefusal {
  return { code: Code.ResourceExhausted, message: `A message is larger than ${maxBytes} bytes.` };
}

/** RESOURCE_EXHAUSTED: the response cannot be sent. */
export const RESPONSE_TOO_LARGE: BareRefusal = {
  code: Code.ResourceExhausted,
  message: 'The response is larger than this server sends.',
};

/** The refusal as an adapter sends it. */
export function refusalError(refusal: Refusal, requestId: string): RpcError {
  if (refusal instanceof DomainError) return toRpcError(refusal, requestId);
  return { ...refusal, reason: 'VALIDATION_FAILED', details: [], requestId, retryAfterMs: undefined };
}
