// The mail outbox in Postgres: what use cases enqueue, and what senders take.

import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type {
  BusyRecipients,
  LeasedMail,
  EmailContent,
  MailLease,
  Outbox,
  OutboxQueue,
} from '../../../domain/mail/outbox.ts';
import { date, time } from '../row-values.ts';
import type { Tables } from '../rows.ts';

type MailRow = {
  readonly id: string;
  readonly recipient: string;
  readonly letter: EmailContent;
  readonly attempts: number;
  readonly create_time: string;
};

const MAX_ERROR_LENGTH = 500;
const NO_RECIPIENTS: BusyRecipients = { mailboxes: [], domains: [] };

/** The use cases' side, over a transaction. */
export function outbox(tables: Kysely<Tables>): Outbox {
  return {
    async enqueue(mail) {
      await sql`
        insert into outbox_mails (id, recipient, letter, create_time, next_attempt_time)
        values (${mail.id}, ${mail.to}, ${JSON.stringify(mail.content)}::text::jsonb, ${date(mail.createTime)}, ${date(mail.createTime)})
      `.execute(tables);
    },
  };
}

/** The sender's side. Any number of senders may lease at once: no email is leased twice. */
export function outboxQueue(tables: Kysely<Tables>): OutboxQueue {
  return {
    async lease(now, leaseUntil, limit, { mailboxes, domains } = NO_RECIPIENTS) {
      // Materialized: a subquery might be run again for each row, and each time give others, beyond the limit.
      const { rows } = await sql<MailRow>`
        with due as materialized (
          select id from outbox_mails where state = 'pending' and next_attempt_time <= ${date(now)}
            and recipient <> all (${mailboxes}::text[])
            and lower(substring(recipient from '[^@]*$')) <> all (${domains}::text[])
          order by next_attempt_time limit ${limit} for update skip locked)
        update outbox_mails m set next_attempt_time = ${date(leaseUntil)}, attempts = m.attempts + 1
        from due where due.id = m.id
        returning m.id, m.recipient, m.letter, m.attempts, m.create_time`.execute(tables);
      return rows.map((row): LeasedMail => ({
        id: row.id,
        to: row.recipient,
        content: row.letter,
        attempts: row.attempts,
        createTime: time(row.create_time),
      }));
    },
    async markSent(id, now) {
      await tables
        .updateTable('outbox_mails')
        .set({ state: 'sent', sent_time: date(now), last_error: null })
        .where('id', '=', id)
        .where('state', '=', 'pending')
        .execute();
    },
    async markFailed(lease, error, nextAttempt) {
      const outcome =
        nextAttempt === undefined ? { state: 'dead' } : { next_attempt_time: date(nextAttempt) };
      await leased(tables, lease)
        .set({ ...outcome, last_error: storable(error) })
        .execute();
    },
    async markDropped(lease) {
      await leased(tables, lease).set({ state: 'dropped' }).execute();
    },
  };
}

// The number of the lease is its fence: a sender that outstayed its lease changes nothing.
function leased(tables: Kysely<Tables>, { id, attempts }: MailLease) {
  return tables
    .updateTable('outbox_mails')
    .where('id', '=', id)
    .where('attempts', '=', attempts)
    .where('state', '=', 'pending');
}

// What a mail server answered may hold a NUL, which Postgres does not store, or half a surrogate pair once it is cut.
function storable(error: string): string {
  return error.replaceAll('\0', '').slice(0, MAX_ERROR_LENGTH).toWellFormed();
}
