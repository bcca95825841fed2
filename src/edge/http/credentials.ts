// Reads the credentials of a plain HTTP request: those that every call may carry, and HTTP Basic, which is all that some libraries can do.

import type { PresentedCredentials } from '../../domain/access/authenticate.ts';
import { API_KEY_PREFIX } from '../../domain/api-key/api-key.ts';
import type { Form } from './form.ts';
import { formDecode, isForm } from './form.ts';
import type { HttpRequest } from './request.ts';
import { headerValues } from './request.ts';

const BASIC = /^Basic(?: +(?<userPass>[A-Za-z0-9+/]+={0,2}))?$/i;

/**
 * The credentials as they stand on the request, unread. HTTP Basic with an API key for its password (RFC 6749, section 2.3.1) counts as that key;
 * the user may be anything.
 */
export function presentedCredentials(request: HttpRequest): Omit<PresentedCredentials, 'clientAddress'> {
  const authorization = headerValues(request, 'authorization');
  return {
    authorization: authorization.map((value) => {
      const key = apiKeyInBasic(value);
      return key === undefined ? value : `Bearer ${key}`;
    }),
    apiKey: headerValues(request, 'x-api-key'),
  };
}

/**
 * As `presentedCredentials`; who shows nothing in the headers may have an API key for `client_secret` in the form (client_secret_post, RFC 6749,
 * section 2.3.1), and the `client_id` may be anything.
 */
export async function clientCredentials(
  request: HttpRequest,
  readForm: () => Promise<Form>,
): Promise<Omit<PresentedCredentials, 'clientAddress'>> {
  const presented = presentedCredentials(request);
  const showsNothing = presented.authorization.length === 0 && presented.apiKey.length === 0;
  if (!showsNothing || !isForm(request.headers['content-type'])) return presented;
  const secret = (await readForm()).get('client_secret');
  return secret === undefined ? presented : { authorization: [], apiKey: [secret] };
}

/** Whether the caller tried HTTP Basic: a refusal answers in the scheme that was tried (RFC 6749, section 5.2). */
export function triesBasic(request: HttpRequest): boolean {
  return headerValues(request, 'authorization').some((value) => /^Basic(?: |$)/i.test(value));
}

function apiKeyInBasic(value: string): string | undefined {
  const encoded = BASIC.exec(value)?.groups?.['userPass'];
  if (encoded === undefined) return undefined;
  const userPass = Buffer.from(encoded, 'base64').toString();
  const colon = userPass.indexOf(':');
  const password = colon < 0 ? undefined : formDecode(userPass.slice(colon + 1));
  return password?.startsWith(API_KEY_PREFIX) === true ? password : undefined;
}
