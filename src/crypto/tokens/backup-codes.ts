// Makes backup codes, of which only a keyed digest is kept.

import { createHmac, randomBytes } from 'node:crypto';
import type { BackupCodes } from '../../domain/mfa/backup-code.ts';
import { BACKUP_CODE_ALPHABET, BACKUP_CODE_LENGTH } from '../../domain/mfa/backup-code.ts';

const GROUP = /^.{5}/;

/** Codes under `key`: HMAC-SHA-256 over user and code. */
export function backupCodes(key: Uint8Array): BackupCodes {
  const digest = (userId: string, code: string) =>
    createHmac('sha256', key).update(`${userId}:${code}`).digest();
  return {
    create(userId) {
      const code = newCode();
      return { text: code.replace(GROUP, '$&-'), digest: digest(userId, code) };
    },
    digest,
  };
}

// 32 characters: five bits of a byte choose one evenly.
function newCode(): string {
  return Array.from(randomBytes(BACKUP_CODE_LENGTH), (byte) => BACKUP_CODE_ALPHABET.charAt(byte & 31)).join(
    '',
  );
}
