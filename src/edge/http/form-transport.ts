// What the pipeline asks of a request that carries a form: its credentials may stand in HTTP Basic and in the form too.

import { API_KEY_PREFIX } from '../../domain/api-key/api-key.ts';
import type { Form } from '../messages/form.ts';
import { formDecode } from '../messages/form.ts';
import type { Transport } from '../pipeline/call.ts';
import type { HttpExchange } from './exchange.ts';
import { HttpTransport } from './http-transport.ts';

const BASIC = /^Basic(?: +(?<userPass>[A-Za-z0-9+/]+={0,2}))?$/i;

/**
 * HTTP Basic with an API key for its password counts as that key; the user may be anything. A caller without credentials in the headers may have
 * an API key for `client_secret` in the form (client_secret_basic and client_secret_post, RFC 6749, section 2.3.1); `client_id` may be anything.
 */
export class FormTransport extends HttpTransport implements Transport {
  readonly #form: () => Form | undefined;

  /** `form` is undefined for a body that is no form. */
  constructor(exchange: HttpExchange, form: () => Form | undefined) {
    super(exchange, { takesCookies: false });
    this.#form = form;
  }

  override headerValues(name: string): readonly string[] {
    const values = super.headerValues(name);
    if (name === 'authorization') return values.map(bearerOf);
    if (name !== 'x-api-key' || values.length > 0) return values;
    const secret = this.#isAnonymous ? this.#form()?.get('client_secret') : undefined;
    return secret === undefined ? [] : [secret];
  }

  /** Whether the caller tried HTTP Basic or `client_secret`: a refusal answers in the scheme that was tried (RFC 6749, section 5.2). */
  get triesSecret(): boolean {
    return (
      super.headerValues('authorization').some((value) => /^Basic(?: |$)/i.test(value)) ||
      this.#form()?.has('client_secret') === true
    );
  }

  get #isAnonymous(): boolean {
    return super.headerValues('authorization').length === 0;
  }
}

function bearerOf(authorization: string): string {
  const key = apiKeyInBasic(authorization);
  return key === undefined ? authorization : `Bearer ${key}`;
}

function apiKeyInBasic(value: string): string | undefined {
  const encoded = BASIC.exec(value)?.groups?.['userPass'];
  if (encoded === undefined) return undefined;
  const userPass = Buffer.from(encoded, 'base64').toString();
  const colon = userPass.indexOf(':');
  const password = colon < 0 ? undefined : formDecode(userPass.slice(colon + 1));
  return password?.startsWith(API_KEY_PREFIX) === true ? password : undefined;
}
