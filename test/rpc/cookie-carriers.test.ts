// Which calls may carry a session cookie: held here by itself, for the library behind it refuses most of the others too.

import { describe, expect, it } from 'vitest';
import type { CookieCarrier } from '../../src/edge/pipeline/session-cookie.ts';
import { cookieObstacle, cookieValues, SESSION_COOKIE_NAME } from '../../src/edge/pipeline/session-cookie.ts';

const ORIGIN = 'https://app.example.com';
const ALLOWED = new Set([ORIGIN]);

function carrier(headers: Readonly<Record<string, readonly string[]>>, takesCookies = true): CookieCarrier {
  const all: Readonly<Record<string, readonly string[]>> = {
    origin: [ORIGIN],
    'content-type': ['application/json'],
    cookie: ['a=b; __Host-latchkey=value'],
    ...headers,
  };
  return { takesCookies, headerValues: (name) => all[name] ?? [] };
}
const cookies = (call: CookieCarrier) => cookieValues(SESSION_COOKIE_NAME, call, ALLOWED);

describe('a session cookie', () => {
  it.each([
    'application/json',
    'application/json ; charset=utf-8',
    'APPLICATION/JSON',
    'application/proto',
    'application/connect+json',
    'application/connect+proto',
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpc-web+json',
  ])('counts beside %j', (type) => {
    expect(cookies(carrier({ 'content-type': [type] }))).toEqual(['value']);
  });

  it.each([
    'text/plain',
    'text/plain; application/json',
    'text/plain;application/json',
    ' text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=application/json',
    'application/jsonx',
    'application/json, text/plain',
    'application/json+text/plain',
    'xapplication/json',
    'application/grpc',
    'application/connect',
    '',
  ])('counts for nothing beside %j', (type) => {
    const call = carrier({ 'content-type': [type] });
    expect(cookieObstacle(call, ALLOWED)).toContain('content type');
    expect(cookies(call)).toEqual([]);
  });

  it('counts for nothing without a content type, without an origin, beside two, and where cookies are not taken', () => {
    for (const call of [
      carrier({ 'content-type': [] }),
      carrier({ origin: [] }),
      carrier({ origin: ['null'] }),
      carrier({ origin: [ORIGIN, ORIGIN] }),
      carrier({}, false),
    ])
      expect(cookies(call)).toEqual([]);
    expect(cookieValues(SESSION_COOKIE_NAME, carrier({ origin: ['null'] }), new Set())).toEqual([]);
  });

  it.each([
    ['__Host-latchkey=value', ['value']],
    [' \t__Host-latchkey=value \t;', ['value']],
    ['a=b;__Host-latchkey=value;c=d', ['value']],
    ['__Host-latchkey=a=b', ['a=b']],
    ['__Host-latchkey=', ['']],
    ['__Host-latchkey=1; __Host-latchkey=2', ['1', '2']],
    ['__Host-latchkey', []],
    ['', []],
    ['\u00A0__Host-latchkey=value', []],
    ['\v__Host-latchkey=value', []],
    ['=__Host-latchkey=value', []],
    ['a="; __Host-latchkeyx=value"', []],
  ])('is read out of %j', (cookie, expected) => {
    expect(cookies(carrier({ cookie: [cookie] }))).toEqual(expected);
  });

  it('is found in any of several headers', () => {
    expect(cookies(carrier({ cookie: ['a=b', '__Host-latchkey=value'] }))).toEqual(['value']);
  });
});
