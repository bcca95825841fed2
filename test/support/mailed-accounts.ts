// Accounts of a service under test whose links come by mail: asking for emails, and reading what they led to.

import { byPassword } from './proofs.ts';
import type { TestService } from './service.ts';
import { bearer, signUp } from './service.ts';
import { eventually } from './eventually.ts';
import type { FakeClock } from './fake-clock.ts';
import { nextEmail, tokenIn } from './mailbox.ts';
import { refusalOf } from './rpc-calls.ts';

/** A password that takes the place of GOOD_PASSWORD. */
export const NEW_PASSWORD = 'Another-Horse-43-Staple!';

/** The reason of a call that is refused. */
export async function reasonOf(call: Promise<unknown>): Promise<string> {
  return (await refusalOf(call)).reason;
}

/** What tests of mailed links ask of `service`, which runs by `clock`. */
export function mailedAccounts(service: TestService, clock: FakeClock) {
  const { tables } = service.app.database;
  let count = 0;
  return {
    tables,
    /** Moves time on, until the service knows again which tokens are revoked. */
    async advance(ms: number) {
      clock.advance(ms);
      await eventually(() => service.app.revocationIndex.isFresh());
    },
    /** Registered and logged in; its first email is not yet read. */
    async newAccount() {
      count += 1;
      const name = `person-${count}`;
      const tokens = await signUp(service, name);
      const caller = bearer(tokens.accessToken);
      const { user } = await service.user().getMe({}, caller);
      return { email: `${name}@example.com`, tokens, id: user?.id ?? '', caller };
    },
    async setStatus(id: string, status: string) {
      await tables.updateTable('users').set({ status }).where('id', '=', id).execute();
    },
    async setEmail(id: string, email: string) {
      await tables.updateTable('users').set({ email, email_key: email }).where('id', '=', id).execute();
    },
    /** Says that the address was proved, long ago. */
    async setVerified(id: string) {
      await tables.updateTable('users').set({ email_verified: true }).where('id', '=', id).execute();
    },
    /** Oldest first. */
    eventsOf: (accountId: string, kind: string) =>
      tables
        .selectFrom('audit_events')
        .selectAll()
        .where('account_id', '=', accountId)
        .where('kind', '=', kind)
        .orderBy('id')
        .execute(),
    /** Template and state of each email to this address, as it was typed. */
    async mailStates(to: string) {
      const rows = await tables.selectFrom('outbox_mails').selectAll().where('recipient', '=', to).execute();
      return rows.map(({ letter, state }) => `${letter['template']} ${state}`);
    },
    async resetTokenFor(email: string) {
      await service.auth().requestPasswordReset({ email });
      return tokenIn(await nextEmail(service, email, /new password/));
    },
    async verifyTokenFor(email: string) {
      return tokenIn(await nextEmail(service, email, /Confirm your e-mail/));
    },
    async changeTokenFor(caller: ReturnType<typeof bearer>, newEmail: string) {
      await service.user().startEmailChange({ newEmail, ...byPassword() }, caller);
      return tokenIn(await nextEmail(service, newEmail, /new e-mail address/));
    },
  };
}
