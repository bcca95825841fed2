// The mail server away, slow, or misbehaving: no email is lost, none is sent twice, and no call waits for it.

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';

import type { LeasedMail, OutboxQueue } from '../../src/domain/mail/outbox.ts';
import type { ReadyMail } from '../../src/domain/mail/ready-mail.ts';
import { DOMAIN_LANES, LANES, MailSender, type MailSenderDeps } from '../../src/jobs/mail-sender.ts';
import { smtpTransport } from '../../src/mail/transport.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { tokenIn } from '../support/mailbox.ts';
import { MINUTE_MS, NOW, sampleMail } from '../support/samples.ts';
import { GOOD_PASSWORD, type TestService } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import { startRudeServer, startSmtp, type TestSmtp } from '../support/smtp-server.ts';
import { afterSuite, nodeStarter, sharedVariables, tally } from './nodes.ts';

const FROM = 'latchkey <no-reply@latchkey.example>';

describeOnEveryDatabase('mail while its server fails', (open) => {
  let db: TestStores;
  let smtp: TestSmtp;
  let clock: FakeClock;
  beforeAll(async () => {
    db = await open();
  });
  beforeEach(async () => {
    smtp = await startSmtp();
    clock = new FakeClock(NOW);
    await db.database.tables.deleteFrom('outbox_mails').execute();
  });
  afterEach(() => smtp.stop());

  const ready = async ({ id, to, createTime }: LeasedMail): Promise<ReadyMail> => {
    const content = { template: 'register_taken', ipAddress: '192.0.2.1' } as const;
    return { id, messageId: id, to, time: createTime, content };
  };
  /** A sender such as each node has one. */
  const newSender = (change: Partial<MailSenderDeps> = {}) =>
    new MailSender({
      outboxQueue: db.stores.outboxQueue,
      prepare: ready,
      send: smtpTransport(smtp.url, FROM, 'off').send,
      clock,
      onFailure: () => undefined,
      ...change,
    });
  const enqueue = async (count: number) => {
    const mails = Array.from({ length: count }, (_, index) =>
      sampleMail({ to: `a${index}@host${index}.example` }),
    );
    for (const mail of mails) await db.stores.outbox.enqueue(mail);
    return mails.map(({ to }) => to).toSorted();
  };
  const states = async () =>
    tally(
      (await db.database.tables.selectFrom('outbox_mails').select('state').execute()).map((row) => row.state),
    );
  const received = () => smtp.received.map(({ to }) => to).toSorted();
  /** Lets both nodes' senders run again and again while time passes. */
  const pass = async (minutes: number, senders: readonly MailSender[]) => {
    for (let step = 0; step < minutes * 2; step += 1) {
      clock.advance(MINUTE_MS / 2);
      await Promise.all(senders.map((sender) => sender.run()));
    }
  };

  it('an hour without a server, then one that says "later": every email arrives, each once', async () => {
    const everybody = await enqueue(12);
    const senders = [newSender(), newSender()];
    const { port } = smtp;
    await smtp.stop();
    await pass(60, senders);
    expect(await states()).toEqual({ pending: 12 });
    smtp = await startSmtp({ port });
    smtp.mood = { at: 'text', code: 451 };
    await pass(35, senders);
    smtp.mood = { at: 'recipient', code: 450 };
    await pass(35, senders);
    expect(smtp.received).toEqual([]);
    smtp.mood = undefined;
    await pass(35, senders);
    expect(received()).toEqual(everybody);
    expect(await states()).toEqual({ sent: 12 });
  });

  it('after a day without a server an email is given up, and the row says why', async () => {
    await enqueue(1);
    await smtp.stop();
    const deaths: boolean[] = [];
    const sender = newSender({ onFailure: (_mail, _error, isDead) => deaths.push(isDead) });
    for (let halfHour = 0; halfHour < 70; halfHour += 1) {
      clock.advance(30 * MINUTE_MS);
      await sender.run();
    }
    expect(await states()).toEqual({ dead: 1 });
    expect(tally(deaths.map(String))).toEqual({ false: 59, true: 1 });
    const [row] = await db.database.tables.selectFrom('outbox_mails').selectAll().execute();
    expect(row?.last_error).toContain('ECONNREFUSED');
    smtp = await startSmtp({ port: smtp.port });
  });

  it('a mailbox that is refused for good is not tried again, and holds up no other', async () => {
    await enqueue(3);
    smtp.mood = { at: 'recipient', code: 550 };
    const sender = newSender();
    await sender.run();
    expect(await states()).toEqual({ dead: 3 });
    smtp.mood = undefined;
    await pass(60, [sender]);
    expect(smtp.attempts()).toBe(0);
  });

  it('emails under way are leased to one sender, however slow the server is', async () => {
    const everybody = await enqueue(3 * LANES);
    smtp.mood = { at: 'text', hangs: true };
    const [slow, other] = [newSender(), newSender()];
    const running = slow.run();
    await eventually(() => smtp.attempts() === LANES);
    clock.advance(MINUTE_MS);
    smtp.mood = undefined;
    await other.run();
    expect(smtp.received).toHaveLength(2 * LANES);
    smtp.release();
    await running;
    expect(received()).toEqual(everybody);
    expect(await states()).toEqual({ sent: 3 * LANES });
  });

  it('a slow mailbox, and a slow domain, delay no other', async () => {
    const mailTo = async (to: string) => db.stores.outbox.enqueue(sampleMail({ to }));
    const held = new Map<string, () => void>();
    const sent: string[] = [];
    const sender = newSender({
      send: async ({ id, to }) => {
        if (/slow/i.test(to)) await new Promise<void>((resolve) => held.set(id, resolve));
        sent.push(to);
      },
    });
    // More than all lanes together, and they are due first.
    for (let index = 0; index < LANES; index += 1) await mailTo('slow@example.com');
    for (let index = 0; index < 2 * LANES; index += 1) await mailTo(`a${index}@SLOW.example`);
    const others = Array.from({ length: 3 * LANES }, (_, index) => `b${index}@quick.example`);
    for (const to of others) await mailTo(to);
    const running = sender.run();
    await eventually(() => sent.length === others.length);
    expect(sent.toSorted()).toEqual(others.toSorted());
    await eventually(() => held.size === 1 + DOMAIN_LANES);
    // What becomes due meanwhile does not wait either.
    await mailTo('late@quick.example');
    await eventually(() => sent.includes('late@quick.example'));
    while (sent.length < 6 * LANES + 1) {
      for (const [id, release] of held) {
        held.delete(id);
        release();
      }
      await eventually(() => held.size > 0 || sent.length === 6 * LANES + 1);
    }
    await running;
    expect(await states()).toEqual({ sent: 6 * LANES + 1 });
  });

  it('an email that waits for another to its mailbox is sent though that one ends while the next is looked for', async () => {
    const { outboxQueue } = db.stores;
    for (let index = 0; index < 2; index += 1)
      await db.stores.outbox.enqueue(sampleMail({ to: 'one@example.com' }));
    const first = Promise.withResolvers<void>();
    let [sent, noted] = [0, 0];
    const sender = newSender({
      outboxQueue: {
        ...outboxQueue,
        lease: async (...query) => {
          const found = await outboxQueue.lease(...query);
          if (found.length > 0 || noted > 0) return found;
          first.resolve();
          await eventually(() => noted === 1);
          return found;
        },
        markSent: async (id, now) => {
          await outboxQueue.markSent(id, now);
          noted += 1;
        },
      },
      send: async () => {
        sent += 1;
        if (sent === 1) await first.promise;
      },
    });
    await sender.run();
    expect(await states()).toEqual({ sent: 2 });
  });

  it('an email whose sending could not be noted is noted later, and not sent again', async () => {
    const everybody = await enqueue(2 * LANES);
    let isAway = true;
    const { outboxQueue } = db.stores;
    const flaky: OutboxQueue = {
      ...outboxQueue,
      markSent: async (id, now) => {
        if (isAway) throw new Error('the database is away');
        await outboxQueue.markSent(id, now);
      },
    };
    const sender = newSender({ outboxQueue: flaky });
    await expect(sender.run()).rejects.toThrow('away');
    await expect(sender.run()).rejects.toThrow('away');
    expect(smtp.received).toHaveLength(LANES);
    isAway = false;
    clock.advance(60 * MINUTE_MS);
    await sender.run();
    expect(received()).toEqual(everybody);
    expect(await states()).toEqual({ sent: 2 * LANES });
  });

  it('an email that took too long to prepare is left for the next attempt', async () => {
    await enqueue(1);
    let isSlow = true;
    const sender = newSender({
      prepare: async (mail) => {
        if (isSlow) clock.advance(MINUTE_MS);
        return ready(mail);
      },
    });
    await sender.run();
    expect(smtp.attempts()).toBe(0);
    isSlow = false;
    await pass(1, [sender]);
    expect(smtp.received).toHaveLength(1);
  });

  it('when stopped, it ends what is under way and begins nothing', async () => {
    const everybody = await enqueue(2 * LANES);
    smtp.mood = { at: 'text', hangs: true };
    const stopping = new AbortController();
    const sender = newSender();
    const running = sender.run({ stopping: stopping.signal });
    await eventually(() => smtp.attempts() === LANES);
    stopping.abort();
    smtp.release();
    await running;
    expect(await states()).toEqual({ sent: LANES, pending: LANES });
    smtp.mood = undefined;
    await newSender().run();
    expect(received()).toEqual(everybody);
  });

  it('cut in the middle, the emails wait for another sender', async () => {
    const everybody = await enqueue(2 * LANES);
    smtp.mood = { at: 'text', hangs: true };
    const cut = new AbortController();
    const running = newSender().run({ cut: cut.signal, stopping: cut.signal });
    await eventually(() => smtp.attempts() === LANES);
    cut.abort();
    await running;
    expect(await states()).toEqual({ pending: 2 * LANES });
    smtp.mood = undefined;
    await pass(1, [newSender()]);
    expect(received()).toEqual(everybody);
  });
});

describeWithServices('a node whose mail server hangs', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let rude: Awaited<ReturnType<typeof startRudeServer>>;
  let smtp: TestSmtp;
  beforeAll(async () => {
    rude = await startRudeServer(() => undefined);
    smtp = await startSmtp();
  });
  afterAll(async () => {
    await rude.stop();
    await smtp.stop();
  });

  const addressOf = (name: string) => `${name}@${name}.example`;
  const register = (node: TestService, name: string) =>
    node.auth().register({
      email: addressOf(name),
      password: GOOD_PASSWORD,
      fullName: 'Test Person',
    });

  it('keeps serving, stops in time, and loses no email: another node delivers links that work', async () => {
    const variables = { ...(await sharedVariables(later)), SHUTDOWN_GRACE: '500ms' };
    const hung = await startNode({ ...variables, SMTP_URL: rude.url, SMTP_STARTTLS: 'off' });
    const names = Array.from({ length: 10 }, (_, index) => `hung-${index}`);
    await Promise.all(names.map((name) => register(hung, name)));
    await eventually(() => rude.connections() >= LANES);
    await hung.auth().requestPasswordReset({ email: addressOf('hung-0') });
    await hung.auth().requestPasswordReset({ email: 'nobody@example.com' });
    // Everything was answered while the same emails hung.
    expect(rude.connections()).toBe(LANES);
    await hung.running.stop();
    await eventually(() => rude.connections() === 0);
    const { tables } = hung.app.database;
    const errors = await tables.selectFrom('outbox_mails').select('last_error').execute();
    // Cut by the end of the grace, not given up for their own slowness.
    expect(errors.filter((row) => /abort/i.test(row.last_error ?? ''))).toHaveLength(LANES);

    const clock = new FakeClock(Date.now() + 60 * MINUTE_MS);
    const node = await startNode({ ...variables, SMTP_URL: smtp.url, SMTP_STARTTLS: 'off' }, { clock });
    await eventually(() => smtp.received.length >= names.length + 1);
    await node.app.mailSender.run();
    expect(tally(smtp.received.map(({ to, subject }) => `${to} ${subject}`))).toEqual({
      ...Object.fromEntries(names.map((name) => [`${addressOf(name)} Confirm your e-mail address`, 1])),
      [`${addressOf('hung-0')} Set a new password`]: 1,
    });
    for (const message of smtp.received) {
      const token = tokenIn(message);
      if (message.subject === 'Set a new password')
        await node.auth().resetPassword({ token, newPassword: `${GOOD_PASSWORD}2` });
      else await node.auth().verifyEmail({ token, password: GOOD_PASSWORD });
    }
  });
});
