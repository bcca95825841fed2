// Wires mail: where emails go, and who sends them.

import type { Config } from '../config.ts';
import { actionTokenCodec } from '../crypto/tokens/action-token-codec.ts';
import type { DataDir } from '../data-dir.ts';
import { prepareMail } from '../domain/mail/prepare-mail.ts';
import { MailSender } from '../jobs/mail-sender.ts';
import { parseAddress } from '../mail/address-parser.ts';
import type { MailTransport } from '../mail/transport.ts';
import { folderTransport, smtpTransport } from '../mail/transport.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Base } from './base.ts';

/** The transport and the sender over the outbox. */
export function wireMail({ config, logger, clock, dataDir, stores, transact, ids }: Base) {
  const mailTransport = openTransport(config, logger, dataDir);
  const { PUBLIC_URL: publicUrl } = config;
  const { newId } = ids;
  return {
    parseAddress,
    publicUrl,
    mailTransport,
    mailSender: new MailSender({
      outboxQueue: stores.outboxQueue,
      clock,
      prepare: (mail) => prepareMail({ transact, clock, newId, actionTokenCodec, publicUrl }, mail),
      send: mailTransport.send,
      onFailure: (mail, error, isDead) =>
        logger[isDead ? 'error' : 'warn'](
          { err: error, mail: mail.id, template: mail.content.template, attempts: mail.attempts, isDead },
          isDead ? 'mail given up' : 'mail not sent; it will be tried again',
        ),
    }),
  };
}

function openTransport(config: Config, logger: Logger, dataDir: DataDir | undefined): MailTransport {
  if (config.SMTP_URL !== undefined)
    return smtpTransport(config.SMTP_URL, config.MAIL_FROM, config.SMTP_STARTTLS);
  const folder = dataDir?.mailDir ?? `${config.DATA_DIR}/mail`;
  return folderTransport(folder, config.MAIL_FROM, (mail, file) =>
    logger.info(
      { mail: mail.content.template, to: mail.to, file },
      'mail written; set LATCHKEY_SMTP_URL to send it',
    ),
  );
}
