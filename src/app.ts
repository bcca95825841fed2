// The composition root: the only place where adapters are constructed and put together.

import { RangeClient } from './breach/range-client.ts';
import { argon2Hasher } from './crypto/argon2-hasher.ts';
import { actionTokenCodec } from './crypto/action-token-codec.ts';
import { accessTokenSigner, RememberingVerifier } from './crypto/access-token-codec.ts';
import { accessTokenSizer } from './crypto/access-token-size.ts';
import { apiKeyCodec } from './crypto/api-key-codec.ts';
import { backupCodes } from './crypto/backup-codes.ts';
import { deviceTokenCodec } from './crypto/device-token-codec.ts';
import { commonPasswords } from './crypto/common-passwords.ts';
import { newId, newPassword, randomBytes } from './crypto/ids.ts';
import { readImportedHash } from './crypto/imported-hash.ts';
import { openInstance } from './crypto/instance-secrets.ts';
import type { Keyring } from './crypto/keyring.ts';
import { Keyset } from './crypto/keyset.ts';
import { pageTokenCodec } from './crypto/page-token-codec.ts';
import { refreshTokenCodec } from './crypto/refresh-token-codec.ts';
import { sealHash } from './crypto/seal-hash.ts';
import { sessionCookieCodec } from './crypto/session-cookie-codec.ts';
import { signingKeyMaker } from './crypto/signing-keys.ts';
import { totp, totpSecrets } from './crypto/totp.ts';
import { auditCursorCodec, watchCursorCodec } from './crypto/cursor-codecs.ts';
import type { Config } from './config.ts';
import { ConfigError } from './config.ts';
import type { DataDir } from './data-dir.ts';
import { openDataDir } from './data-dir.ts';
import { embeddedKeyring, givenKeyring } from './master-keyring.ts';
import { AccessRefusals } from './domain/audit/access-refusals.ts';
import { AuditTail } from './domain/audit/audit-tail.ts';
import { RoleDirectory } from './domain/access/role.ts';
import type { BreachedPasswords } from './domain/account/breached-passwords.ts';
import { nobodyAsked } from './domain/account/breached-passwords.ts';
import { emailAddress } from './domain/account/email-address.ts';
import { ApiKeyDirectory } from './domain/api-key/api-key-directory.ts';
import { ApiKeyUsage } from './domain/api-key/api-key-usage.ts';
import { ClockSkew } from './domain/clock-skew.ts';
import type { Clock } from './domain/clock.ts';
import type { RedisState } from './domain/health/readiness.ts';
import type { BootstrapSecrets } from './domain/instance/bootstrap.ts';
import { bootstrap } from './domain/instance/bootstrap.ts';
import type { RateLimiter } from './domain/limits/rate-limiter.ts';
import { unlimited } from './domain/limits/rate-limiter.ts';
import type { RevocationChannel } from './domain/revocation/revocation-channel.ts';
import { RevocationIndex } from './domain/revocation/revocation-index.ts';
import { prepareMail } from './domain/mail/prepare-mail.ts';
import { SessionDirectory } from './domain/session/session-directory.ts';
import { UnansweredRefreshes } from './domain/session/unanswered-refreshes.ts';
import { AuditSealer } from './jobs/audit-sealer.ts';
import { Cleanup } from './jobs/cleanup.ts';
import { MailSender } from './jobs/mail-sender.ts';
import { parseAddress } from './mail/address-parser.ts';
import type { MailTransport } from './mail/transport.ts';
import { folderTransport, smtpTransport } from './mail/transport.ts';
import { memoryRateLimiter } from './storage/memory/rate-limiter.ts';
import { memoryRevocationChannel } from './storage/memory/revocation-channel.ts';
import type { Database } from './storage/postgres/connection.ts';
import { openDatabase } from './storage/postgres/connection.ts';
import { openStores, openTransactions } from './storage/postgres/stores.ts';
import { RedisRateLimiter } from './storage/redis/rate-limiter.ts';
import { RedisRevocationChannel } from './storage/redis/revocation-channel.ts';
import type { Logger } from './telemetry/logger.ts';
import { skewLog } from './telemetry/skew-log.ts';

/** What tests put in the place of the real thing. */
export type Overrides = { readonly clock?: Clock };

/** Everything that the service is made of, open and ready to be served. */
export type App = Awaited<ReturnType<typeof openApp>>;

/** The database with what opens what is sealed in it: the URL's, or the data directory's. */
export type OpenStorage = {
  readonly database: Database;
  readonly dataDir: DataDir | undefined;
  readonly keyring: Keyring;
};

/** Opens the database and the master keys. Errors: ConfigError, the driver's. */
export async function openStorage(config: Config): Promise<OpenStorage> {
  if (config.DATABASE_URL !== undefined && config.MASTER_KEY !== undefined) {
    const { DATABASE_URL: url, DATABASE_POOL_SIZE: poolSize, DATABASE_TIMEOUT: statementTimeoutMs } = config;
    const preparedStatements = config.PREPARED_STATEMENTS === 'on';
    const database = await openDatabase({ url, poolSize, statementTimeoutMs, preparedStatements });
    return {
      database,
      dataDir: undefined,
      keyring: givenKeyring(config.MASTER_KEY, config.MASTER_KEY_SECOND),
    };
  }
  const dataDir = await openDataDir(config.DATA_DIR);
  const keyring = await embeddedKeyring(config, dataDir);
  return { database: await openDatabase({ dataDir: dataDir.databaseDir }), dataDir, keyring };
}

/**
 * Puts the service together over an open database whose schema is up to date. Errors: ConfigError, WrongMasterKeyError,
 * STORAGE_UNAVAILABLE.
 */
export async function openApp(
  config: Config,
  logger: Logger,
  storage: OpenStorage,
  overrides: Overrides = {},
) {
  const { database, dataDir, keyring } = storage;
  const clock = overrides.clock ?? { now: () => Date.now() };
  const stores = openStores(database);
  // Embedded there is one connection, and one of everything.
  const reservedStores = database.reserved.run === database.run ? stores : openStores(database.reserved);
  const transact = openTransactions(database.tables);
  const secrets = await openInstance(keyring, { instance: stores.instance, transact });

  const hasherSettings = {
    memoryCost: config.ARGON2_MEMORY_KIB,
    timeCost: config.ARGON2_PASSES,
    parallelism: config.ARGON2_LANES,
    slots: config.HASHING_SLOTS,
    maxWaiting: config.HASHING_QUEUE,
  };
  const passwordHasher = await argon2Hasher(hasherSettings, secrets['stand-in']);
  const keyset = new Keyset({ signingKeys: stores.signingKeys, sealer: keyring, clock });
  const revocationChannel = openChannel(config, logger);
  const revocationIndex = new RevocationIndex({ clock, databaseOutageGraceMs: config.DATABASE_OUTAGE_GRACE });
  const rateLimiter = openRateLimiter(config, logger, clock);
  const apiKeys = apiKeyCodec(secrets['api-key']);
  const outageGraceMs = config.DATABASE_OUTAGE_GRACE;
  const cookieCodec = sessionCookieCodec(secrets['session-cookie']);
  const tokenPolicy = {
    audience: config.AUDIENCE,
    accessTokenTtlMs: config.ACCESS_TOKEN_TTL,
    refreshTokenTtlMs: config.REFRESH_TOKEN_TTL,
    sessionMaxAgeMs: config.SESSION_MAX_AGE,
    refreshGraceMs: config.REFRESH_GRACE,
  };
  const mailTransport = openMail(config, logger, dataDir);
  const publicUrl = config.PUBLIC_URL;

  return {
    config,
    logger,
    database,
    dataDir,
    ...stores,
    reservedStores,
    transact,
    clock,
    newId,
    randomBytes,
    newPassword,
    keyring,
    keyset,
    accessTokenSigner: accessTokenSigner({ keyset, issuer: config.ISSUER }),
    accessTokenVerifier: new RememberingVerifier({ keyset, clock, issuer: config.ISSUER }),
    refreshTokenCodec: refreshTokenCodec(secrets['refresh-token']),
    sessionCookieCodec: cookieCodec,
    deviceTokenCodec: deviceTokenCodec(secrets['device-token']),
    deviceTokenTtlMs: config.DEVICE_TOKEN_TTL,
    lockoutRule: { maxFailures: config.LOCKOUT_FAILURES, lockMs: config.LOCKOUT_TIME },
    pageTokenCodec: pageTokenCodec(keyring),
    watchCursorCodec: watchCursorCodec(keyring),
    auditCursorCodec: auditCursorCodec(keyring),
    apiKeyCodec: apiKeys,
    accessTokenSizer: accessTokenSizer({ issuer: config.ISSUER, audience: config.AUDIENCE }),
    actionTokenCodec,
    totp,
    totpSecrets: totpSecrets(keyring),
    totpIssuer: new URL(config.ISSUER).hostname,
    backupCodes: backupCodes(secrets['backup-code']),
    apiKeyDirectory: new ApiKeyDirectory({
      apiKeys: stores.apiKeys,
      apiKeyCodec: apiKeys,
      revocationIndex,
      clock,
      outageGraceMs,
      rateLimiter,
    }),
    apiKeyUsage: new ApiKeyUsage({ apiKeys: stores.apiKeys, clock }),
    sessionDirectory: new SessionDirectory({
      sessions: stores.sessions,
      sessionCookieCodec: cookieCodec,
      tokenPolicy,
      revocationIndex,
      clock,
      outageGraceMs,
      onTouchFailure: (error) =>
        logger.warn({ err: error }, 'use of a session not noted; the next one will be'),
    }),
    databaseOutageGraceMs: config.DATABASE_OUTAGE_GRACE,
    stopwatch: () => performance.now(),
    unansweredRefreshes: new UnansweredRefreshes(),
    clockSkew: new ClockSkew({
      maxMs: config.MAX_CLOCK_SKEW,
      onChange: skewLog(logger, config.MAX_CLOCK_SKEW),
    }),
    onKeyOutsideNetworks: (apiKey: string, ip: string) =>
      logger.warn({ apiKey, ip }, 'API key refused: shown from outside its networks'),
    onKeysetFailure: (error: unknown) =>
      logger.warn({ err: error }, 'changed signing keys not read yet; the next look is a second away'),
    newSigningKey: signingKeyMaker(keyring),
    signingAlgorithm: config.SIGNING_ALGORITHM,
    rotationMs: config.SIGNING_KEY_ROTATION,
    passwordHasher,
    readImportedHash,
    passwordPolicy: config.PASSWORD_POLICY,
    commonPasswords: commonPasswords(),
    breachedPasswords: openBreachCheck(config, logger, clock),
    parseAddress,
    registrationMode: config.REGISTRATION,
    requireVerifiedEmail: config.REQUIRE_VERIFIED_EMAIL,
    revocationIndex,
    revocationChannel,
    onChannelFailure: (error: unknown) =>
      logger.warn({ err: error }, 'revocation not published; other nodes learn it from the database'),
    rateLimiter,
    roleDirectory: new RoleDirectory(),
    onRolesUnread: (error: unknown) =>
      logger.warn({ err: error }, 'changed roles not read; the next poll brings them'),
    auditTail: new AuditTail({ auditTrail: stores.auditTrail }),
    accessRefusals: new AccessRefusals({
      audit: stores.audit,
      clock,
      newId,
      onFailure: (error) => logger.warn({ err: error }, 'a refusal was not written to the audit log'),
    }),
    publicUrl,
    mailTransport,
    mailSender: new MailSender({
      outboxQueue: stores.outboxQueue,
      clock,
      prepare: (mail) => prepareMail({ transact, clock, newId, actionTokenCodec, publicUrl }, mail),
      send: mailTransport.send,
      onFailure: (mail, error, isDead) =>
        logger[isDead ? 'error' : 'warn'](
          { err: error, mail: mail.id, letter: mail.letter.template, attempts: mail.attempts, isDead },
          isDead ? 'mail given up' : 'mail not sent; it will be tried again',
        ),
    }),
    cleaner: new Cleanup({
      transact,
      clock,
      onCleaned: (deleted) => logger.debug({ deleted }, 'rows taken away that had ended'),
    }),
    auditSealer: new AuditSealer({
      transact,
      sealingQueue: stores.sealingQueue,
      sealHash: sealHash(secrets['audit-chain']),
      clock,
      onLost: (lost) =>
        logger.warn({ lost }, 'audit events vanished before they were sealed; somebody changed the log'),
    }),
    auditRetention: config.AUDIT_RETENTION,
    audience: config.AUDIENCE,
    tokenPolicy,
  };
}

/** Makes the first administrator and the gateway's key, once in the life of a database; see `bootstrap`. */
export function bootstrapApp(
  app: App,
  adminEmail: string,
  deliver: (secrets: BootstrapSecrets) => Promise<void>,
) {
  const read = emailAddress(app.parseAddress, 'LATCHKEY_ADMIN_EMAIL', adminEmail);
  if ('violation' in read) throw new ConfigError(`LATCHKEY_ADMIN_EMAIL: ${read.violation.description}`);
  return bootstrap({ ...app, deliver }, read.address);
}

/** Closes what `openApp` and `openStorage` opened. */
export async function closeApp(app: App): Promise<void> {
  app.mailTransport.close();
  app.rateLimiter.close?.();
  await app.revocationChannel.close();
  await app.database.close();
  await app.dataDir?.release();
}

type CheckedChannel = RevocationChannel & { probe?(): Promise<RedisState> };

function openChannel(config: Config, logger: Logger): CheckedChannel {
  if (config.REDIS_URL === undefined)
    return memoryRevocationChannel({ isWhole: config.DATABASE_URL === undefined });
  // A Redis that is away fails many times a second: its going and its coming back are told, once each.
  let isAway = false;
  return new RedisRevocationChannel({
    url: config.REDIS_URL,
    keyPrefix: config.REDIS_KEY_PREFIX,
    onFault: (error) => {
      if (!isAway)
        logger.warn({ reason: error.message }, 'redis is away; revocations come from the database');
      isAway = true;
    },
    onReady: () => {
      if (isAway) logger.info('redis is back');
      isAway = false;
    },
  });
}

function openRateLimiter(config: Config, logger: Logger, clock: Clock): RateLimiter & { close?(): void } {
  if (config.RATE_LIMITS === 'off') return unlimited;
  if (config.REDIS_URL === undefined) return memoryRateLimiter(clock, config.LIMITS);
  return new RedisRateLimiter({
    url: config.REDIS_URL,
    keyPrefix: config.REDIS_KEY_PREFIX,
    clock,
    table: config.LIMITS,
    onAway: ({ message: reason }) =>
      logger.warn({ reason }, 'redis is away; limits are counted on this node alone'),
    onBack: () => logger.info('redis is back; limits are counted together'),
  });
}

function openBreachCheck(config: Config, logger: Logger, clock: Clock): BreachedPasswords {
  const { BREACH_CHECK_URL: url } = config;
  if (url === 'off') return nobodyAsked;
  return new RangeClient({
    url,
    clock,
    onFailure: (reason) =>
      logger.warn({ reason }, 'the list of breached passwords cannot be asked; passwords pass unchecked'),
  });
}

function openMail(config: Config, logger: Logger, dataDir: DataDir | undefined): MailTransport {
  if (config.SMTP_URL !== undefined)
    return smtpTransport(config.SMTP_URL, config.MAIL_FROM, config.SMTP_STARTTLS);
  const folder = dataDir?.mailDir ?? `${config.DATA_DIR}/mail`;
  return folderTransport(folder, config.MAIL_FROM, (mail, file) =>
    logger.info(
      { mail: mail.letter.template, to: mail.to, file },
      'mail written; set LATCHKEY_SMTP_URL to send it',
    ),
  );
}
