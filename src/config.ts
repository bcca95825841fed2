// Environment → checked, frozen Config. The service refuses to start on nonsense, and says which variable is wrong and why.

import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ConfigError, PREFIX } from './config/config-error.ts';
import type { TlsMaterial } from './config/files.ts';
import { lifetimeFaults } from './config/lifetimes.ts';
import { readText, readTls } from './config/files.ts';
import { limitTable, limitVariables } from './config/limits.ts';
import {
  address,
  base64Key,
  breachCheckUrl,
  duration,
  durationOrOff,
  flag,
  httpUrl,
  integer,
  list,
  network,
  origin,
  redisUrl,
} from './config/values.ts';

import type { LimitTable } from './domain/limits/limit-table.ts';

export { ConfigError } from './config/config-error.ts';

const DEFAULT_PUBLIC_URL = 'http://localhost:8080';
const Environment = z.object({
  DATABASE_URL: z.url({ protocol: /^postgres(?:ql)?$/, error: 'must be a postgres:// URL' }).optional(),
  DATABASE_POOL_SIZE: integer(1, 1_000).default(20),
  DATABASE_TIMEOUT: duration('100ms', '5m').default(5_000),
  DATABASE_OUTAGE_GRACE: duration('5s', '10m').default(60_000),
  MAX_CLOCK_SKEW: durationOrOff('100ms', '1h').default(2_500),
  REDIS_URL: redisUrl.optional(),
  PREPARED_STATEMENTS: z.enum(['on', 'off'], 'must be on or off').default('on'),
  REDIS_KEY_PREFIX: z.string().max(100).default('latchkey:'),
  DATA_DIR: z.string().min(1).default('.latchkey'),
  GRPC_ADDRESS: address.default('127.0.0.1:50051'),
  HTTP_ADDRESS: address.default('127.0.0.1:8080'),
  PUBLIC_URL: httpUrl.optional(),
  ISSUER: httpUrl.optional(),
  AUDIENCE: z.string().min(1).max(300).default('latchkey'),
  MASTER_KEY: base64Key.optional(),
  MASTER_KEY_SECOND: base64Key.optional(),
  ACCESS_TOKEN_TTL: duration('10s', '24h').default(15 * 60_000),
  TOKEN_CACHE_BYTES: integer(1_048_576, 999_999_999).default(67_108_864),
  REFRESH_TOKEN_TTL: duration('10s', '365d').default(7 * 86_400_000),
  SESSION_MAX_AGE: duration('10s', '3650d').default(30 * 86_400_000),
  REFRESH_GRACE: duration('0s', '5m').default(10_000),
  SIGNING_ALGORITHM: z.enum(['ES256', 'EdDSA', 'RS256'], 'must be ES256, EdDSA or RS256').default('ES256'),
  SIGNING_KEY_ROTATION: duration('1h', '3650d').default(30 * 86_400_000),
  PASSWORD_POLICY: z.enum(['strict', 'nist'], 'must be strict or nist').default('strict'),
  BREACH_CHECK_URL: breachCheckUrl.default('https://api.pwnedpasswords.com/range/'),
  ARGON2_MEMORY_KIB: integer(1_024, 4_194_304).default(65_536),
  ARGON2_PASSES: integer(1, 100).default(3),
  ARGON2_LANES: integer(1, 64).default(4),
  HASHING_SLOTS: integer(1, 256).default(availableParallelism()),
  HASHING_QUEUE: integer(0, 100_000).optional(),
  REGISTRATION: z.enum(['private', 'open', 'closed'], 'must be private, open or closed').default('private'),
  REQUIRE_VERIFIED_EMAIL: flag.default(false),
  ANONYMOUS_VALIDATION: flag.default(false),
  LOCKOUT_FAILURES: integer(1, 100).default(5),
  LOCKOUT_TIME: duration('1m', '1d').default(15 * 60_000),
  DEVICE_TOKEN_TTL: duration('1h', '400d').default(180 * 86_400_000),
  RATE_LIMITS: z.enum(['on', 'off'], 'must be on or off').default('on'),
  ...limitVariables,
  ADMIN_EMAIL: z.string().min(3).max(254).default('admin@localhost.localdomain'),
  SMTP_URL: z.url({ protocol: /^smtps?$/, error: 'must be an smtp:// or smtps:// URL' }).optional(),
  SMTP_STARTTLS: z
    .enum(['required', 'opportunistic', 'off'], 'must be required, opportunistic or off')
    .default('required'),
  MAIL_FROM: z.string().min(3).max(320).default('latchkey <no-reply@localhost.localdomain>'),
  ALLOWED_ORIGINS: list.pipe(z.array(origin)).default([]),
  TRUSTED_PROXIES: list.pipe(z.array(network)).default([]),
  TLS_CERT_FILE: z.string().optional(),
  TLS_KEY_FILE: z.string().optional(),
  TLS_CLIENT_CA_FILE: z.string().optional(),
  HSTS: z.enum(['host', 'subdomains', 'off'], 'must be host, subdomains or off').default('host'),
  HEALTH_SOCKET: z.string().min(1).max(100).optional(),
  MAX_MESSAGE_BYTES: integer(65_536, 67_108_864).default(4_194_304),
  MAX_CONCURRENT_STREAMS: integer(1, 100_000).default(1_000),
  MAX_CONNECTIONS: integer(1, 1_000_000).default(10_000),
  MAX_CONNECTIONS_PER_ADDRESS: integer(1, 1_000_000).default(1_000),
  MAX_UNFINISHED_BYTES: integer(1_048_576, 999_999_999).default(67_108_864),
  REQUEST_TIMEOUT: duration('100ms', '10m').default(10_000),
  MAX_CALL_TIME: duration('100ms', '10m').default(30_000),
  SHUTDOWN_DELAY: duration('0s', '5m').default(0),
  SHUTDOWN_GRACE: duration('0s', '10m').default(10_000),
  CLEANUP_INTERVAL: durationOrOff('10s', '1d').default(5 * 60_000),
  AUDIT_RETENTION: durationOrOff('30d', '36500d').default('off'),
  LOG_LEVEL: z
    .enum(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'must be trace, debug, info, warn, error, fatal or silent',
    )
    .default('info'),
});

type Values = z.infer<typeof Environment>;

/** What the service runs by. Durations are milliseconds. */
export type Config = Readonly<
  Omit<
    Values,
    'PUBLIC_URL' | 'ISSUER' | 'HASHING_QUEUE' | 'TLS_CERT_FILE' | 'TLS_KEY_FILE' | 'TLS_CLIENT_CA_FILE'
  >
> & {
  readonly PUBLIC_URL: string;
  readonly ISSUER: string;
  readonly HASHING_QUEUE: number;
  readonly LIMITS: LimitTable;
  readonly TLS: TlsMaterial;
};

/**
 * Reads and checks every LATCHKEY_ variable; `X_FILE` names a file that holds the value of `X`. An empty variable counts as absent. Errors:
 * ConfigError that names every wrong variable.
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const parsed = Environment.safeParse(collect(environment));
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${PREFIX}${String(issue.path[0])}: ${issue.message}`);
    throw new ConfigError([...new Set(faults)].join('\n'));
  }
  return Object.freeze(complete(parsed.data));
}

/**
 * The LATCHKEY_ variables that are not read, misspelt perhaps. They cause a warning rather than an error: a cluster puts variables of its own into
 * the environment of a service by this name (LATCHKEY_PORT, LATCHKEY_SERVICE_HOST).
 */
export function unknownVariables(environment: NodeJS.ProcessEnv): readonly string[] {
  return Object.keys(environment).filter((variable) => isOurs(variable) && nameOf(variable) === undefined);
}

function isOurs(variable: string): boolean {
  return variable.startsWith(PREFIX) && !variable.startsWith(`${PREFIX}TEST_`);
}

/** The name in Environment that the variable, or the file it names, has the value of. */
function nameOf(variable: string): string | undefined {
  const name = variable.slice(PREFIX.length);
  return [name, name.replace(/_FILE$/, '')].find((candidate) => candidate in Environment.shape);
}

function collect(environment: NodeJS.ProcessEnv): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [variable, value] of Object.entries(environment)) {
    if (!isOurs(variable) || value === undefined || value === '') continue;
    const name = nameOf(variable);
    if (name === undefined) continue;
    const isInFile = variable !== PREFIX + name;
    values[name] = isInFile ? readText(variable, value) : value;
  }
  return values;
}

function complete(values: Values): Config {
  const { PUBLIC_URL, ISSUER, HASHING_QUEUE, TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE, ...rest } =
    values;
  if (rest.DATABASE_URL !== undefined && rest.MASTER_KEY === undefined) {
    throw new ConfigError(
      `${PREFIX}MASTER_KEY: is required with ${PREFIX}DATABASE_URL; make one with: openssl rand -base64 32`,
    );
  }
  if (rest.MASTER_KEY_SECOND !== undefined && rest.MASTER_KEY === undefined) {
    throw new ConfigError(`${PREFIX}MASTER_KEY_SECOND: makes sense only with ${PREFIX}MASTER_KEY`);
  }
  if (rest.MASTER_KEY_SECOND?.equals(rest.MASTER_KEY ?? Buffer.of()) === true) {
    throw new ConfigError(`${PREFIX}MASTER_KEY_SECOND: is the same key as ${PREFIX}MASTER_KEY`);
  }
  if (rest.DATABASE_URL === undefined && rest.REDIS_URL !== undefined) {
    throw new ConfigError(
      `${PREFIX}REDIS_URL: makes sense only with ${PREFIX}DATABASE_URL; the embedded database serves one process`,
    );
  }
  const contradictions = lifetimeFaults(rest);
  if (contradictions.length > 0) throw new ConfigError(contradictions.join('\n'));
  // The same on every node, whatever its own ports: nodes with two issuers would refuse each other's tokens.
  const publicUrl = PUBLIC_URL ?? DEFAULT_PUBLIC_URL;
  return {
    ...rest,
    PUBLIC_URL: publicUrl,
    ISSUER: ISSUER ?? publicUrl,
    HASHING_QUEUE: HASHING_QUEUE ?? rest.HASHING_SLOTS * 8,
    LIMITS: limitTable(rest),
    TLS: readTls(TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE),
  };
}
