// From the bytes of a request to its message. What does not decode is the caller's fault, and the error names the field.

import type { DescField, DescMessage, DescMethod, JsonObject, JsonValue, Message } from '@bufbuild/protobuf';
import { fromBinary, fromJson } from '@bufbuild/protobuf';
import { validationFailed } from '../../domain/errors.ts';
import { rfc3339Time } from '../../domain/written-time.ts';

/** The response of a method, decoded where it is bytes in protobuf's binary format. */
export function messageOf(method: DescMethod, response: Message | Uint8Array): Message {
  return response instanceof Uint8Array ? fromBinary(method.output, response) : response;
}

/** The message in a format of protobuf. Errors: VALIDATION_FAILED. */
export function decodeMessage(method: DescMethod, format: 'binary' | 'json', bytes: Uint8Array): Message {
  return format === 'json' ? decodeJson(method, bytes) : decodeBinary(method, bytes);
}

/** The message in protobuf's binary format. Errors: VALIDATION_FAILED. */
export function decodeBinary(method: DescMethod, bytes: Uint8Array): Message {
  try {
    return fromBinary(method.input, bytes);
  } catch {
    throw undecodable(method);
  }
}

/** The message in protobuf's JSON format; unknown fields are passed over, unknown names of enum values are not. Errors: VALIDATION_FAILED. */
export function decodeJson(method: DescMethod, bytes: Uint8Array): Message {
  const json = parseJson(method, bytes);
  const message = decoded(method.input, json);
  const fault = message === undefined ? faultIn(method.input, json) : misreadIn(method.input, json);
  if (message === undefined || fault !== undefined)
    throw undecodable(method, fault?.path, fault?.description);
  return message;
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(method: DescMethod, bytes: Uint8Array): JsonValue {
  try {
    return JSON.parse(UTF_8.decode(bytes)) as JsonValue;
  } catch {
    throw undecodable(method);
  }
}

function decoded(type: DescMessage, json: JsonValue): Message | undefined {
  try {
    return fromJson(type, json, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

/** Which field of a request it is, as far as it can be found, and what is wrong with it. */
type Fault = { readonly path: string; readonly description: string };

const WRONG_TYPE = 'has a value of the wrong type';

/** How the types that JSON writes as a text are written. */
const WRITTEN: Readonly<Record<string, string>> = {
  'google.protobuf.FieldMask': 'must be paths in lowerCamelCase, separated by commas, like "fullName,email"',
  'google.protobuf.Timestamp': 'must be a time like "2026-01-31T08:00:00Z"',
  'google.protobuf.Duration': 'must be a number of seconds like "30s"',
};

// Looked for by decoding one field after the other: the library's own message would name some of them, and hold the value, which may be secret.
function faultIn(type: DescMessage, json: JsonValue | undefined): Fault | undefined {
  if (!isObject(json)) return undefined;
  for (const field of type.fields) {
    const name = field.jsonName in json ? field.jsonName : field.name;
    const value = json[name];
    if (value === undefined || decoded(type, { [name]: value }) !== undefined) continue;
    if (field.message === undefined || field.fieldKind === 'map')
      return { path: field.name, description: WRONG_TYPE };
    const description = WRITTEN[field.message.typeName];
    if (description !== undefined) return { path: field.name, description };
    const [path, item] = firstBroken(type, field, name, value);
    return within(path, faultIn(field.message, item)) ?? { path, description: WRONG_TYPE };
  }
  return undefined;
}

function firstBroken(
  type: DescMessage,
  field: DescField,
  name: string,
  value: JsonValue,
): [string, JsonValue | undefined] {
  if (field.fieldKind !== 'list' || !Array.isArray(value)) return [field.name, value];
  const index = value.findIndex((item) => decoded(type, { [name]: [item] }) === undefined);
  return [`${field.name}[${index}]`, value[index]];
}

// What the library takes and should not: with unknown fields it passes over unknown enum values too, so that a filter would be wider than what was
// asked for; and it rolls the 30th of February over to March.
function misreadIn(type: DescMessage, json: JsonValue | undefined): Fault | undefined {
  if (!isObject(json)) return undefined;
  for (const field of type.fields) {
    const value = json[field.jsonName] ?? json[field.name];
    for (const [index, item] of (Array.isArray(value) ? value : [value]).entries()) {
      const isMessages = field.fieldKind === 'list' && field.message !== undefined;
      const fault = within(isMessages ? `${field.name}[${index}]` : field.name, misreadValue(field, item));
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

const TIMESTAMP = 'google.protobuf.Timestamp';

function misreadValue(field: DescField, value: JsonValue | undefined): Fault | undefined {
  if (field.message?.typeName === TIMESTAMP) return misreadTime(value);
  if (field.message !== undefined && field.fieldKind !== 'map') return misreadIn(field.message, value);
  if (field.enum === undefined || typeof value !== 'string') return undefined;
  if (field.enum.values.some(({ name }) => name === value)) return undefined;
  return { path: '', description: WRONG_TYPE };
}

function misreadTime(value: JsonValue | undefined): Fault | undefined {
  if (typeof value !== 'string' || rfc3339Time(value) !== undefined) return undefined;
  return { path: '', description: WRITTEN[TIMESTAMP] ?? WRONG_TYPE };
}

function within(path: string, fault: Fault | undefined): Fault | undefined {
  if (fault === undefined) return undefined;
  return { ...fault, path: fault.path === '' ? path : `${path}.${fault.path}` };
}

function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function undecodable(
  method: DescMethod,
  field = '',
  description = `the request is not a ${method.input.typeName}`,
) {
  return validationFailed([{ field, description }]);
}
