// Structured logs, with secrets taken out.

import type { DestinationStream, Logger as PinoLogger } from 'pino';
import { pino } from 'pino';

/** What the service logs through. */
export type Logger = PinoLogger;

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

// Names under which a secret could reach a log line, at the top and one level down.
const SECRETS = [
  'password',
  'new_password',
  'current_password',
  'token',
  'access_token',
  'refresh_token',
  'accessToken',
  'refreshToken',
  'authorization',
  'cookie',
  'setCookie',
  'setCookies',
  'deviceToken',
  'device_token',
  'secret',
  'masterKey',
  'adminPassword',
  'gatewayApiKey',
  '["x-api-key"]',
  '["set-cookie"]',
];

/** A logger that writes JSON lines to `destination`, standard output by default. */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const nested = SECRETS.map((name) => (name.startsWith('[') ? `*${name}` : `*.${name}`));
  const options = { level, base: null, redact: { paths: [...SECRETS, ...nested], censor: '[redacted]' } };
  return destination === undefined ? pino(options) : pino(options, destination);
}
