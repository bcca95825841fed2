// What lets keys be changed while nodes run.

import { Migration } from '@mikro-orm/migrations';

/** Adds what tells one second factor of a user from another: a secret that is sealed anew is the same factor still. */
export class KeySchema extends Migration {
  override up(): void {
    this.addSql(`
      alter table totp_factors
        add column enrolment uuid not null default '00000000-0000-0000-0000-000000000000'`);
  }
}
