// The calls that are measured, and what they are answered with.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  ValidateTokenRequestSchema,
  ValidateTokenResponseSchema,
} from '../../../gen/latchkey/v1/auth_service_pb.ts';
import { openCaller } from '../load.ts';
import type { Latchkey } from './latchkey.ts';
import type { LoadRequest } from './load-request.ts';
import type { Server } from './server.ts';

const VALIDATE = '/latchkey.v1.AuthService/ValidateToken';
const GET_ME = '/latchkey.v1.UserService/GetMe';

type Headers = Readonly<Record<string, string>>;

/** A unary gRPC call. */
export function grpcCall(
  server: Server,
  path: string,
  message: Uint8Array,
  headers: Headers = {},
): LoadRequest {
  const body = Buffer.from(message).toString('base64');
  return { protocol: 'grpc', url: `http://${server.grpc}${path}`, method: 'POST', headers, body };
}

/** An HTTP POST. */
export function httpPost(url: string, contentType: string, text: string, headers: Headers = {}): LoadRequest {
  return {
    protocol: 'http',
    url,
    method: 'POST',
    headers: { 'content-type': contentType, ...headers },
    body: Buffer.from(text).toString('base64'),
  };
}

/** An HTTP GET. */
export function httpGet(url: string, headers: Headers): LoadRequest {
  return { protocol: 'http', url, method: 'GET', headers, body: '' };
}

/** ValidateToken over gRPC, as a gateway calls it. */
export function validateOverGrpc(latchkey: Latchkey): LoadRequest {
  const request = create(ValidateTokenRequestSchema, { token: latchkey.accessToken });
  return grpcCall(
    latchkey,
    VALIDATE,
    toBinary(ValidateTokenRequestSchema, request),
    bearer(latchkey.gatewayKey),
  );
}

/** ValidateToken over Connect, in JSON. */
export function validateOverConnect(latchkey: Latchkey): LoadRequest {
  const text = JSON.stringify({ token: latchkey.accessToken });
  return httpPost(latchkey.http + VALIDATE, 'application/json', text, bearer(latchkey.gatewayKey));
}

/** GetMe over Connect, in JSON. */
export function getMeOverConnect(latchkey: Latchkey): LoadRequest {
  return httpPost(latchkey.http + GET_ME, 'application/json', '{}', bearer(latchkey.accessToken));
}

/** Introspection of the access token by a client that shows its key in HTTP Basic. */
export function introspect(latchkey: Latchkey): LoadRequest {
  const form = new URLSearchParams({ token: latchkey.accessToken }).toString();
  const credentials = Buffer.from(`gateway:${latchkey.gatewayKey}`).toString('base64');
  return httpPost(`${latchkey.http}/oauth2/introspect`, 'application/x-www-form-urlencoded', form, {
    authorization: `Basic ${credentials}`,
  });
}

/** How many bytes an HTTP call is answered with. Errors: its status is not 200, or `expected` is not in the answer. */
export async function httpResponseBytes(request: LoadRequest, expected: string): Promise<number> {
  const { url, method, headers, body } = request;
  const content = method === 'POST' ? { body: Buffer.from(body, 'base64') } : {};
  const response = await fetch(url, { method, headers, ...content });
  const text = await response.text();
  if (!response.ok || !text.includes(expected)) throw new Error(`${url} answered ${response.status} ${text}`);
  return Buffer.byteLength(text);
}

/** How many bytes the verdict on the token has over gRPC. Errors: it is not active. */
export async function verdictBytes(request: LoadRequest): Promise<number> {
  const { host, pathname } = new URL(request.url);
  const caller = openCaller(host);
  const response = await caller.call(pathname, Buffer.from(request.body, 'base64'), request.headers);
  caller.close();
  if (!fromBinary(ValidateTokenResponseSchema, response).active) throw new Error('the token is not active');
  return response.length;
}

function bearer(token: string): Headers {
  return { authorization: `Bearer ${token}` };
}
