// A page at some origin in a browser: its calls carry the origin and the cookies that the server set.

import type { Client, Interceptor } from '@connectrpc/connect';
import { ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import type { TestService } from './service.ts';
import { GOOD_PASSWORD } from './service.ts';

/** The protocols that browsers speak. */
export const BROWSER_PROTOCOLS = ['connect', 'grpc-web'] as const;
export type BrowserProtocol = (typeof BROWSER_PROTOCOLS)[number];

/** The origin that tests allow. */
export const PAGE_ORIGIN = 'https://app.example.com';

const NAME = '__Host-latchkey';

/** A page, and what it may call. */
export type Browser = {
  readonly auth: Client<typeof AuthService>;
  readonly user: Client<typeof UserService>;
  /** What its calls carry beside `origin`; `cookie` is the jar's. Tests put others in. */
  readonly headers: Map<string, string>;
  /** Every `set-cookie` so far, as it came, but those that make the device known. */
  readonly setCookies: string[];
  /** Those. */
  readonly deviceCookies: string[];
  /** The value of the session cookie; undefined when there is none. Setting it puts one in. */
  cookie: string | undefined;
};

/** Opens a page with an empty jar. No origin makes it a program that sends none. */
export function openBrowser(
  service: Pick<TestService, 'httpUrl'>,
  protocol: BrowserProtocol = 'connect',
  origin: string | undefined = PAGE_ORIGIN,
): Browser {
  const make = protocol === 'connect' ? createConnectTransport : createGrpcWebTransport;
  const headers = new Map<string, string>(origin === undefined ? [] : [['origin', origin]]);
  const keep = (header: Headers) => {
    for (const line of header.getSetCookie()) {
      const isDevice = line.startsWith(`${NAME}-device=`);
      (isDevice ? browser.deviceCookies : browser.setCookies).push(line);
      const [pair = '', ...attributes] = line.split('; ');
      if (!pair.startsWith(`${NAME}=`)) continue;
      browser.cookie = attributes.includes('Max-Age=0') ? undefined : pair.slice(NAME.length + 1);
    }
  };
  const asBrowser: Interceptor = (next) => async (request) => {
    for (const [name, value] of headers) request.header.set(name, value);
    if (browser.cookie !== undefined) request.header.set('cookie', `theme=dark; ${NAME}=${browser.cookie}`);
    try {
      const response = await next(request);
      keep(response.header);
      return response;
    } catch (error) {
      keep(ConnectError.from(error).metadata);
      throw error;
    }
  };
  const transport = make({ baseUrl: service.httpUrl, httpVersion: '1.1', interceptors: [asBrowser] });
  const browser: Browser = {
    auth: createClient(AuthService, transport),
    user: createClient(UserService, transport),
    headers,
    setCookies: [],
    deviceCookies: [],
    cookie: undefined,
  };
  return browser;
}

/** Logs the page in by password; resolves to the answer's token set, which holds no token. */
export async function signInByCookie(browser: Browser, identifier: string, scopes: readonly string[] = []) {
  const { outcome } = await browser.auth.login({
    identifier,
    password: GOOD_PASSWORD,
    scopes: [...scopes],
    deviceName: 'browser',
    useCookie: true,
  });
  if (outcome.case !== 'tokens') throw new Error(`login answered ${outcome.case ?? 'nothing'}`);
  return outcome.value;
}
