#!/usr/bin/env bash
# otplib refuses the 80-bit secrets that many authenticator enrolments still carry.
#
# Versions:  otplib 13.5.0 on Node 20 and 26, 2026-11-27 (otplib 12.0.1 computed a code).
# Expected:  RFC 4226 section 4 requires 128 bits of a new secret, but enrolments made over the years with 16 base32 characters (10 bytes) are in use,
#            and an upgrade within a library is expected to go on reading them.
# Behaviour: otplib 13 throws SecretTooShortError for 10 bytes; `guardrails` have to be given to take them.
# Matters:   second factors taken over from another system stop working after the upgrade, at the login of the person and not at the import.
# Seen:
#   20 bytes: 287082
#   10 bytes: SecretTooShortError: Secret must be at least 16 bytes (128 bits), got 10 bytes
#   10 bytes with guardrails: 6 digits
#   otplib 12, 10 bytes: 6 digits
# Exits 0 while this holds, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --save-exact otplib@13.5.0 otplib-12@npm:otplib@12.0.1

cat >probe.mjs <<'PROBE'
import { createGuardrails, generateSync } from 'otplib';
import { authenticator } from 'otplib-12';

const attempt = (options) => {
  try {
    return generateSync({ epoch: 59, ...options });
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
const shape = (code) => (/^\d{6}$/.test(code) ? '6 digits' : code);
const [long, short] = ['GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', 'JBSWY3DPEHPK3PXP'];
console.log('20 bytes:', attempt({ secret: long }));
console.log('10 bytes:', attempt({ secret: short }));
console.log('10 bytes with guardrails:', shape(attempt({ secret: short, guardrails: createGuardrails({ MIN_SECRET_BYTES: 10 }) })));
console.log('otplib 12, 10 bytes:', shape(authenticator.generate(short)));
PROBE

diff - <(node probe.mjs) <<'SEEN' || exit 1
20 bytes: 287082
10 bytes: SecretTooShortError: Secret must be at least 16 bytes (128 bits), got 10 bytes
10 bytes with guardrails: 6 digits
otplib 12, 10 bytes: 6 digits
SEEN
echo 'unchanged: otplib refuses 80-bit secrets'
