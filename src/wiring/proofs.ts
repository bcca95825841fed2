// What people prove themselves by: passwords, codes, and the rules for choosing them.

import { RangeClient } from '../breached-passwords/range-client.ts';
import type { Config } from '../config.ts';
import { argon2Hasher } from '../crypto/hashing/argon2-hasher.ts';
import { commonPasswords } from '../crypto/hashing/common-passwords.ts';
import { readImportedHash } from '../crypto/hashing/imported-hash.ts';
import { backupCodes } from '../crypto/tokens/backup-codes.ts';
import { totp, totpSecrets } from '../crypto/tokens/totp.ts';
import type { Clock } from '../domain/clock.ts';
import type { BreachedPasswords } from '../domain/password/breached-passwords.ts';
import { breachCheckOff } from '../domain/password/breached-passwords.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Base } from './base.ts';

/** Hashing, the policy for passwords, and the second factor. */
export async function wireProofs({ config, logger, clock, keyring, secrets }: Base) {
  const hashing = {
    memoryCost: config.ARGON2_MEMORY_KIB,
    timeCost: config.ARGON2_PASSES,
    parallelism: config.ARGON2_LANES,
    slots: config.HASHING_SLOTS,
    maxWaiting: config.HASHING_QUEUE,
  };
  return {
    passwordHasher: await argon2Hasher(hashing, secrets['stand-in']),
    readImportedHash,
    passwordPolicy: config.PASSWORD_POLICY,
    commonPasswords: commonPasswords(),
    breachedPasswords: openBreachCheck(config, logger, clock),
    totp,
    totpSecrets: totpSecrets(keyring),
    totpIssuer: new URL(config.ISSUER).hostname,
    backupCodes: backupCodes(secrets['backup-code']),
    registrationMode: config.REGISTRATION,
    requireVerifiedEmail: config.REQUIRE_VERIFIED_EMAIL,
  };
}

function openBreachCheck(config: Config, logger: Logger, clock: Clock): BreachedPasswords {
  const { BREACH_CHECK_URL: url } = config;
  if (url === 'off') return breachCheckOff;
  return new RangeClient({
    url,
    clock,
    onFailure: (reason) =>
      logger.warn({ reason }, 'the list of breached passwords cannot be asked; passwords pass unchecked'),
  });
}
