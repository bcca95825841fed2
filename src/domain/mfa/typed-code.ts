// Codes as people type them: every spelling of a code becomes the one that is compared.

import type { Violations } from '../text.ts';
import { BACKUP_CODE_ALPHABET, BACKUP_CODE_LENGTH } from './backup-code.ts';

// Room for the blanks that people and clipboards add.
const MAX_TYPED_LENGTH = 64;
const TOTP_CODE = /^[0-9]{6}$/;
const BACKUP_CODE = new RegExp(`^[${BACKUP_CODE_ALPHABET}]{${BACKUP_CODE_LENGTH}}$`);

/** A code of an authenticator app: six ASCII digits, whichever width and grouping they were typed in. */
export function readTotpCode(violations: Violations, field: string, raw: string): string {
  const code = spell(violations, field, raw).replace(/\s/g, '');
  return require(violations, field, code, TOTP_CODE, 'must be the 6 digits that the authenticator app shows');
}

/** A backup code without blanks and hyphens, with the digits that look like the letters which no code has. */
export function readBackupCode(violations: Violations, field: string, raw: string): string {
  const typed = spell(violations, field, raw).toUpperCase();
  const code = typed
    .replace(/[\s\p{Pd}]/gu, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1');
  return require(violations, field, code, BACKUP_CODE, `must be a backup code, like ABCDE-12345`);
}

function spell(violations: Violations, field: string, raw: string): string {
  return violations.text(raw, { field, min: 1, max: MAX_TYPED_LENGTH }).normalize('NFKC');
}

function require(
  violations: Violations,
  field: string,
  code: string,
  shape: RegExp,
  description: string,
): string {
  const isNoted = violations.list.some((violation) => violation.field === field);
  if (!isNoted && !shape.test(code)) violations.add(field, description);
  return code;
}
