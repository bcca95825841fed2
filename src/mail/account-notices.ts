// The texts of emails that notify people of changes to their account.

import type { NoticeContent } from '../domain/mail/outbox.ts';
import type { EmailText } from './layout.ts';
import { deviceName, maskedAddress } from './plain-words.ts';

/** An email to the owner of an account about it. */
export type AccountNotice = Exclude<NoticeContent, { readonly template: 'register_taken' }>;

const NOT_YOU = 'If that was not you, reset your password at once: somebody else may know it.';
const CONTACT_OPERATORS = 'If that was not you, contact the operators of this service at once.';

/** The words of the email, but for the name. */
export function noticeText(content: AccountNotice): EmailText {
  switch (content.template) {
    case 'email_changed':
      return {
        subject: 'Your e-mail address was changed',
        before: [
          `your account has another e-mail address now: ${maskedAddress(content.newEmail)}. The change was confirmed from ${content.ipAddress}. Messages no longer come here.`,
          CONTACT_OPERATORS,
        ],
      };
    case 'email_changed_by_administrator':
      return {
        subject: 'Your e-mail address was changed',
        before: [
          `an administrator has given your account another e-mail address: ${maskedAddress(content.newEmail)}. Messages no longer come here.`,
          'If you did not ask for that, contact the operators of this service at once.',
        ],
      };
    case 'password_changed':
      return {
        subject: 'Your password was changed',
        before: [
          `the password of your account was changed from ${content.ipAddress}.`,
          NOT_YOU,
          keysNotice(content),
        ],
      };
    case 'account_locked':
      return {
        subject: 'Your account is locked for a while',
        before: [
          `somebody failed to log in to your account too often, the last time from ${content.ipAddress}. Logins are blocked for 15 minutes, to stop further guesses.`,
          'If that was you, wait and try again. If it was not, none of those attempts succeeded.',
        ],
      };
    case 'new_device':
      return {
        subject: 'A new device logged in to your account',
        before: [
          `somebody logged in to your account from ${content.ipAddress}, on a device that we had not seen before.`,
          `Device: ${deviceName(content.deviceName) ?? 'without a name'}. Program: ${deviceName(content.userAgent) ?? 'unknown'}.`,
          NOT_YOU,
        ],
      };
    case 'mfa_enabled':
      return {
        subject: 'Your second factor is on',
        before: [
          `your account asks for a code from an authenticator app now. That was set from ${content.ipAddress}. Keep your backup codes in a safe place.`,
          NOT_YOU,
        ],
      };
    case 'mfa_disabled':
      return {
        subject: 'Your second factor is off',
        before: [
          `your account no longer asks for a code: the password alone opens it. That was set from ${content.ipAddress}.`,
          NOT_YOU,
        ],
      };
    case 'mfa_reset':
      return {
        subject: 'Your second factor is off',
        before: [
          'an administrator has turned off the second factor of your account: the password alone opens it now. Every session and API key has ended. Turn it on again when you have logged in.',
          'If you did not ask for that, contact the operators of this service at once.',
        ],
      };
    case 'account_deleted':
      return {
        subject: 'Your account was deleted',
        before: ['your account was deleted, and every session and key of it has ended.', CONTACT_OPERATORS],
      };
    case 'session_theft':
      return {
        subject: 'We ended one of your sessions',
        before: [
          `an old key of your session${onDevice(content.deviceName)} was used again, from ${content.ipAddress}. Somebody may have copied it, so the session has been ended on every device that used it.`,
          'If you do not know that address, change your password.',
        ],
      };
  }
}

function keysNotice({
  hasEndedKeys,
  isFirstProof,
}: Extract<AccountNotice, { template: 'password_changed' }>): string {
  if (isFirstProof === true)
    return 'This was the first proof that the e-mail address is yours: every session, API key and second factor that was set up before has ended.';
  if (hasEndedKeys === true) return 'Every API key of your account has ended too.';
  return 'API keys go on working: look through those of your account, and revoke what you do not know.';
}

function onDevice(name: string): string {
  const device = deviceName(name);
  return device === undefined ? '' : ` on “${device}”`;
}
