// Backup codes: what stands in for an authenticator app that is lost, each good once.

/** How many a user gets at a time. */
export const BACKUP_CODE_COUNT = 10;

/** Crockford's base32: no letter that looks like a digit. */
export const BACKUP_CODE_ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 50 bits: lockout allows less than a thousand attempts a day. */
export const BACKUP_CODE_LENGTH = 10;

/** A new code: as it is shown once, and the digest to keep. */
export type NewBackupCode = { readonly text: string; readonly digest: Uint8Array };

/** Port: how codes are made and recognised. The digest is keyed, for 50 bits alone could be searched by who has read the database. */
export type BackupCodes = {
  create(userId: string): NewBackupCode;
  /** The digest of a code in its one spelling; see `readBackupCode`. */
  digest(userId: string, code: string): Uint8Array;
};

/** As many codes as a user gets. */
export function newBackupCodes(backupCodes: BackupCodes, userId: string): readonly NewBackupCode[] {
  return Array.from({ length: BACKUP_CODE_COUNT }, () => backupCodes.create(userId));
}
