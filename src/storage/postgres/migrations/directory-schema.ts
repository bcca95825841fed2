// What operators look for accounts by.

import { Migration } from '@mikro-orm/migrations';

/**
 * Adds what an account was called elsewhere, why it is suspended, and the indexes that lists and searches go by. None stands on a column that a
 * login writes (password_hash, last_login_time): a login still touches no index. Needs the extension pg_trgm.
 */
export class DirectorySchema extends Migration {
  override async up(): Promise<void> {
    this.addSql(`
      alter table users
        add column external_id text unique,
        add column suspension_reason text`);
    this.addSql(`
      do $$ begin
        create extension if not exists pg_trgm;
      exception when others then
        raise exception 'latchkey needs the extension pg_trgm, which comes with Postgres (package postgresql-contrib). Have a superuser run in this database: create extension pg_trgm. Postgres says: %', sqlerrm
          using errcode = sqlstate;
      end $$`);
    // A text as searches see it: in lower case, and the signs that stand inside names and addresses as capitals, which then stand for nothing
    // else. pg_trgm knows letters and digits alone: without that it would find no trigram in "a.b".
    this.addSql(`
      create function directory_text(field text) returns text language sql immutable strict parallel safe as $$
        select translate(lower(field${await this.#collationWithCase()}), ' .@-_+''', 'ABCDEFG')
      $$`);
    // Each field begins behind a line feed, which no field holds: no match runs across two.
    this.addSql(`
      alter table users add column search text not null generated always as (
        E'\\n' || directory_text(email) || E'\\n' || coalesce(directory_text(username), '') || E'\\n' || directory_text(full_name)
      ) stored`);
    // In whatever schema the extension was made. New entries wait in a list, and go into the index by the ten thousand: by fewer at a time that takes
    // an import as long again; a longer list would make searches slow, which read it whole.
    this.addSql(`
      do $$ begin
        execute (
          select format('create index users_by_search on users using gin (search %I.gin_trgm_ops) with (gin_pending_list_limit = 16384)', nspname)
          from pg_extension join pg_namespace on pg_namespace.oid = extnamespace where extname = 'pg_trgm');
      end $$`);
    this.addSql(`create index users_by_time on users (status, create_time, id)`);
    this.addSql(`create index users_by_email on users (status, email_key collate "C")`);
    this.addSql(`create index users_by_role_and_time on users (role, status, create_time, id)`);
    this.addSql(`create index users_by_role_and_email on users (role, status, email_key collate "C")`);
  }

  // Where the database's locale knows no case beyond ASCII (C, POSIX), lower() goes by a collation of the server that does; none where there is none.
  async #collationWithCase(): Promise<string> {
    const candidates = ['', ...(await this.#collations())];
    for (const collation of candidates) {
      const [row] = await this.execute(`select lower('ÄÉЖ'${collation}) = 'äéж' as knows_case`);
      if (row?.['knows_case'] === true) return collation;
    }
    return '';
  }

  async #collations(): Promise<readonly string[]> {
    const rows = await this.execute(`
      select collname from pg_collation
      where collname in ('C.utf8', 'C.UTF-8', 'pg_c_utf8', 'en_US.utf8', 'und-x-icu')
        and collnamespace = 'pg_catalog'::regnamespace
        and collencoding in (-1, (select encoding from pg_database where datname = current_database()))
      order by collname`);
    return rows.map(({ collname }) => ` collate pg_catalog."${String(collname)}"`);
  }
}
