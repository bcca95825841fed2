// What tells how long the access tokens live that nodes issue, so that revocations outlive them.

import { Migration } from '@mikro-orm/migrations';

/**
 * Adds the lifetimes in use. A database that was served by a release that registered none may have issued tokens of any lifetime up to the
 * longest that was ever allowed, and may go on to while nodes are replaced: for two days every revocation is kept for that long.
 */
export class TokenLifetimeSchema extends Migration {
  override up(): void {
    this.addSql(`
      create table access_token_lifetimes (
        lifetime interval primary key,
        last_used_time timestamptz not null
      )`);
    this.addSql(`
      insert into access_token_lifetimes (lifetime, last_used_time)
      select interval '24 hours', now() + interval '1 day' where exists (select from instance_facts)`);
  }
}
