// Device tokens in requests and answers: a field for programs, a cookie for browsers.

import type { DeviceGrant } from '../../domain/lockout/device-token.ts';
import type { LoginCredentials } from '../../domain/session/login.ts';
import type { Call } from '../pipeline/call.ts';
import type { RequestReader } from '../messages/decode.ts';

/** What the caller shows as a known device: the field, and the cookie where it counts. */
export function readDeviceTokens(reader: RequestReader, raw: string, call: Call): readonly string[] {
  const cookies = call.deviceCookies;
  return raw === '' ? cookies : [reader.token('device_token', raw), ...cookies];
}

/** Gives the cookies of a login that asked for one; answers the value of `device_token`, empty then: scripts of the page need not see it. */
export function giveDevice(call: Call, credentials: LoginCredentials): string {
  if ('tokens' in credentials) return credentials.device.token;
  call.giveCookie(credentials.cookie);
  call.giveDeviceCookie(credentials.device);
  return '';
}

/** As `giveDevice`, where the session goes on as it was. */
export function giveDeviceAlone(call: Call, device: DeviceGrant): string {
  if (call.requirePrincipal().credential !== 'session_cookie') return device.token;
  call.giveDeviceCookie(device);
  return '';
}
