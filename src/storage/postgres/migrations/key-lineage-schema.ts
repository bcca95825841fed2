// What lets API keys be narrowed, and what a stolen one made be found.

import { Migration } from '@mikro-orm/migrations';

/** Adds the version of a key, which rises when it is narrowed, and the key by which it was made. */
export class KeyLineageSchema extends Migration {
  override up(): void {
    this.addSql(`
      alter table api_keys
        add column version integer not null default 1,
        add column made_by uuid`);
    this.addSql(`create index api_keys_by_maker on api_keys (made_by) where made_by is not null`);
  }
}
