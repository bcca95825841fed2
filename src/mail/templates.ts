// What each letter says, as plain text. Names and addresses come from strangers: they stand in the text, never in a header but `To`.

import type { Letter } from '../domain/mail/outbox.ts';

/** A letter ready to send. */
export type RenderedMail = { readonly subject: string; readonly text: string };

/** The letter's words. */
export function renderLetter(letter: Letter): RenderedMail {
  switch (letter.template) {
    case 'register_taken':
      return {
        subject: 'Someone tried to register with your address',
        text: paragraphs(
          'Hello,',
          `somebody at ${letter.ipAddress} tried to open an account with this e-mail address, which has one already.`,
          'If that was you: log in instead. If it was not: nothing has changed, and you need not do anything.',
        ),
      };
    case 'session_theft':
      return {
        subject: 'We ended one of your sessions',
        text: paragraphs(
          `Hello ${letter.fullName},`,
          `an old key of your session${deviceClause(letter.deviceName)} was used again, from ${letter.ipAddress}. Somebody may have copied it, ` +
            'so the session has been ended on every device that used it.',
          'If you do not know that address, change your password.',
        ),
      };
    default:
      throw new Error(`no words for ${letter.template} yet`);
  }
}

function deviceClause(deviceName: string): string {
  return deviceName === '' ? '' : ` on “${deviceName}”`;
}

function paragraphs(...texts: string[]): string {
  return `${texts.join('\n\n')}\n`;
}
