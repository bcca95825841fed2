// The texts of emails about an address: those that carry a link, and those that notify its owner of another person's attempt.

import type { ReadyContent } from '../domain/mail/ready-mail.ts';
import { noticeText } from './account-notices.ts';
import type { EmailText, RenderedMail } from './layout.ts';
import { layOut } from './layout.ts';
import { personName } from './plain-words.ts';

/** The email as text and as HTML. No untrusted text stands in the subject. */
export function renderEmail(content: ReadyContent): RenderedMail {
  return layOut(wordsOf(content));
}

function wordsOf(content: ReadyContent): EmailText {
  switch (content.template) {
    case 'verify_email':
      return {
        subject: 'Confirm your e-mail address',
        before: ['an account here names this e-mail address. Confirm that it is yours:'],
        link: { label: 'Confirm address', url: content.link },
        after: [
          'The link is valid for one day and can be used once.',
          'If you have opened no account, ignore this message: without the link the address stays unconfirmed.',
        ],
      };
    case 'password_reset':
      return {
        subject: 'Set a new password',
        name: personName(content.fullName),
        before: [
          `somebody at ${content.ipAddress} asked to set a new password for your account. If that was you, choose it here:`,
        ],
        link: { label: 'Choose a new password', url: content.link },
        after: [
          'The link is valid for one hour and can be used once. A newer link ends this one.',
          'If that was not you, ignore this message: your password stays as it is.',
        ],
      };
    case 'invitation':
      return {
        subject: 'You have an account here',
        name: personName(content.fullName),
        before: ['an administrator has opened an account for you. Choose its password here:'],
        link: { label: 'Choose a password', url: content.link },
        after: [
          'The link is valid for seven days and can be used once. Later, ask for a new password with this e-mail address.',
          'If you know nothing of an account, ignore this message: without the link nobody can use it.',
        ],
      };
    case 'forced_password_reset':
      return {
        subject: 'Set a new password',
        name: personName(content.fullName),
        before: [
          'an administrator asked for a new password for your account. The old one is no longer valid, and every session and API key has ended. Choose a new one here:',
        ],
        link: { label: 'Choose a new password', url: content.link },
        after: [
          'The link is valid for one hour and can be used once. A newer link ends this one.',
          'When it has expired, ask for another with this e-mail address.',
        ],
      };
    case 'address_proved':
      return {
        subject: 'Your e-mail address is confirmed: choose a password',
        name: personName(content.fullName),
        before: [
          'your e-mail address is confirmed. The account may have been opened by somebody else before, so its old password, and every session, API key and second factor that was set up, has ended. Choose a password here:',
        ],
        link: { label: 'Choose a password', url: content.link },
        after: [
          'The link is valid for one hour and can be used once. A newer link ends this one.',
          'When it has expired, ask for another with this e-mail address.',
        ],
      };
    case 'email_change':
      return {
        subject: 'Confirm your new e-mail address',
        before: [
          `somebody at ${content.ipAddress} asked to use this e-mail address for their account. If that was you, confirm it where you are logged in:`,
        ],
        link: { label: 'Confirm new address', url: content.link },
        after: [
          'The link is valid for one hour and can be used once.',
          'If that was not you, ignore this message: nothing changes.',
        ],
      };
    case 'email_change_taken':
      return {
        subject: 'Someone tried to use your address',
        before: [
          `somebody at ${content.ipAddress} asked to use this e-mail address for another account. It belongs to yours, so nothing has changed.`,
          'You need not do anything.',
        ],
      };
    case 'register_taken':
      return {
        subject: 'Someone tried to register with your address',
        before: [
          `somebody at ${content.ipAddress} tried to open an account with this e-mail address, which has one already.`,
          'If that was you: log in instead. If it was not: nothing has changed, and you need not do anything.',
        ],
      };
    default:
      return { name: personName(content.fullName), ...noticeText(content) };
  }
}
