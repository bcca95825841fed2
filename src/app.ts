// The composition root: opens what the service is made of, puts it together, and closes it.

import type { Config } from './config.ts';
import { ConfigError } from './config.ts';
import { emailAddress } from './domain/account/email-address.ts';
import type { BootstrapSecrets } from './domain/instance/bootstrap.ts';
import { bootstrap } from './domain/instance/bootstrap.ts';
import type { Logger } from './telemetry/logger.ts';
import { wireAudit } from './wiring/audit.ts';
import type { OpenStorage, Overrides } from './wiring/base.ts';
import { openBase } from './wiring/base.ts';
import { wireCredentials } from './wiring/credentials.ts';
import { wireLimits } from './wiring/limits.ts';
import { wireMail } from './wiring/mail.ts';
import { wireProofs } from './wiring/proofs.ts';
import { wireRevocation } from './wiring/revocation.ts';
import { wireTokens } from './wiring/tokens.ts';

export type { OpenStorage, Overrides } from './wiring/base.ts';

/** Everything that the service is made of, open and ready to be served. */
export type App = Awaited<ReturnType<typeof openApp>>;

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
  const base = await openBase(config, logger, storage, overrides);
  const { stores, ids, secrets: _secrets, ...shared } = base;
  const revocation = wireRevocation(base);
  const limits = wireLimits(base);
  const tokens = wireTokens(base);
  const credentials = wireCredentials({ ...base, ...revocation, ...limits, ...tokens });
  const proofs = await wireProofs(base);
  const mail = wireMail(base);
  const audit = wireAudit(base);
  return {
    ...shared,
    ...stores,
    ...ids,
    ...revocation,
    ...limits,
    ...tokens,
    ...credentials,
    ...proofs,
    ...mail,
    ...audit,
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
