// One-time codes by time: RFC 6238 over otplib, and secrets sealed for their user.

import { generateSecret, generateURI, verifySync } from 'otplib';
import type { Totp, TotpSecrets } from '../../domain/mfa/totp.ts';
import type { Sealer } from '../keys/keyring.ts';

const SECRET_LENGTH = 20;
const PERIOD_S = 30;
const CODE = /^[0-9]{6}$/;

/** What every authenticator app takes for granted: HMAC-SHA-1, six digits, a step of 30 seconds. */
export const totp: Totp = {
  newSecret: () => generateSecret({ length: SECRET_LENGTH }),
  matchedStep(secret, token, now) {
    if (!CODE.test(token)) return undefined;
    const epoch = Math.floor(now / 1_000);
    const result = verifySync({ secret, token, epoch, epochTolerance: PERIOD_S });
    return result.valid && 'timeStep' in result ? result.timeStep : undefined;
  },
  keyUri: (secret, issuer, account) =>
    generateURI({ secret, issuer: withoutColon(issuer), label: withoutColon(account) }),
};

// A colon parts issuer and account, escaped or not: one inside either would move the border.
function withoutColon(name: string): string {
  return name.replaceAll(':', '.');
}

/** What TOTP secrets are sealed for; the context is the user's id. */
export const TOTP_SECRET_PURPOSE = 'totp-secret';

/** Sealed secrets; one moved to another user's row does not open. */
export function totpSecrets(sealer: Sealer): TotpSecrets {
  return {
    seal: (userId, secret) => sealer.seal(TOTP_SECRET_PURPOSE, userId, Buffer.from(secret)),
    unseal: (userId, sealed) => Buffer.from(sealer.unseal(TOTP_SECRET_PURPOSE, userId, sealed)).toString(),
  };
}
