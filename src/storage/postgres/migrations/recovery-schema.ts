// What lets accounts be recovered without locking their owners out.

import { Migration } from '@mikro-orm/migrations';

/** Adds superseded passwords, and when a single-use token was used whose second use must be told from a forged one. */
export class RecoverySchema extends Migration {
  override up(): void {
    this.addSql(`
      create table superseded_passwords (
        user_id uuid primary key references users (id) on delete cascade,
        password_hash text not null,
        replace_time timestamptz not null
      )`);
    this.addSql(`create index superseded_passwords_by_age on superseded_passwords (replace_time)`);
    this.addSql(`alter table action_tokens add column use_time timestamptz`);
  }
}
