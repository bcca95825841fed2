// From the bytes of a request to its message. What does not decode is the caller's fault, and is told which field it was.

import type { DescField, DescMessage, DescMethod, JsonValue, Message } from '@bufbuild/protobuf';
import { fromBinary, fromJson } from '@bufbuild/protobuf';
import { validationFailed } from '../domain/errors.ts';

/** The message in protobuf's binary format. Errors: VALIDATION_FAILED. */
export function decodeBinary(method: DescMethod, bytes: Uint8Array): Message {
  try {
    return fromBinary(method.input, bytes);
  } catch {
    throw undecodable(method, '');
  }
}

/** The message in protobuf's JSON format; unknown fields are passed over, unknown names of enum values are not. Errors: VALIDATION_FAILED. */
export function decodeJson(method: DescMethod, bytes: Uint8Array): Message {
  const { json, message } = readJson(method, bytes);
  const field = misnamedEnum(method.input, json);
  if (field !== undefined) throw undecodable(method, field);
  return message;
}

function readJson(method: DescMethod, bytes: Uint8Array) {
  try {
    const json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as JsonValue;
    return { json, message: fromJson(method.input, json, { ignoreUnknownFields: true }) };
  } catch (error) {
    throw undecodable(method, error instanceof Error ? fieldNamedIn(error.message) : '');
  }
}

// With unknown fields the library passes over unknown enum values too: a filter would be wider than what was asked for.
function misnamedEnum(message: DescMessage, json: JsonValue | undefined): string | undefined {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return undefined;
  for (const field of message.fields) {
    const value = json[field.jsonName] ?? json[field.name];
    for (const item of Array.isArray(value) ? value : [value]) {
      const wrong = misnamedIn(field, item);
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}

function misnamedIn(field: DescField, value: JsonValue | undefined): string | undefined {
  if (field.message !== undefined && field.fieldKind !== 'map') return misnamedEnum(field.message, value);
  if (field.enum === undefined || typeof value !== 'string') return undefined;
  return field.enum.values.some(({ name }) => name === value) ? undefined : field.name;
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
