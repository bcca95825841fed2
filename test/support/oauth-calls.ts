// Calls of the OAuth endpoints by clients that are not ours: fetch, and the curl program.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { TestService } from './service.ts';

export const INTROSPECT = '/oauth2/introspect';
export const REVOKE = '/oauth2/revoke';
export const FORM_TYPE = 'application/x-www-form-urlencoded';

/** An answer, its body read. */
export type HttpAnswer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown;
};

/** POSTs `body` as it stands. */
export async function postBody(
  service: TestService,
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  const init = { method: 'POST', body, headers: { 'content-type': FORM_TYPE, ...headers } };
  return read(await fetch(service.httpUrl + path, init));
}

/** POSTs a form. */
export function postForm(
  service: TestService,
  path: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  return postBody(service, path, new URLSearchParams(form).toString(), headers);
}

/** The answer to a request that fetch has sent. */
export async function read(response: Response): Promise<HttpAnswer> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

/** The Authorization header of HTTP Basic. */
export function basic(user: string, password: string): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

/** What curl prints and the status it saw. */
export async function curl(...args: readonly string[]): Promise<{ status: number; json: unknown }> {
  const { stdout } = await promisify(execFile)('curl', ['-s', '-w', '\n%{http_code}', ...args]);
  const end = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(end + 1)), json: parse(stdout.slice(0, end)) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
