// From the bytes of a request to its message. What does not decode is the caller's fault, and is told which field it was.

import type { DescMethod, Message } from '@bufbuild/protobuf';
import { fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { validationFailed } from '../domain/errors.ts';

/** The message in protobuf's binary format. Errors: VALIDATION_FAILED. */
export function decodeBinary(method: DescMethod, bytes: Uint8Array): Message {
  try {
    return fromBinary(method.input, bytes);
  } catch {
    throw undecodable(method, '');
  }
}

/** The message in protobuf's JSON format; unknown fields are passed over. Errors: VALIDATION_FAILED. */
export function decodeJson(method: DescMethod, bytes: Uint8Array): Message {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return fromJsonString(method.input, text, { ignoreUnknownFields: true });
  } catch (error) {
    throw undecodable(method, error instanceof Error ? fieldNamedIn(error.message) : '');
  }
}

function undecodable(method: DescMethod, field: string) {
  const description =
    field === '' ? `the request is not a ${method.input.typeName}` : 'has a value of the wrong type';
  return validationFailed([{ field, description }]);
}

// The library's messages begin `cannot decode field latchkey.v1.LoginRequest.password from JSON`, and go on with the value, which may be secret.
function fieldNamedIn(message: string): string {
  return /^cannot decode (?:field|list|map) [\w.]*?\.?(\w+) from JSON/.exec(message)?.[1] ?? '';
}
