// Statistics that are kept as things happen, so that to ask for them costs little.

import { Migration } from '@mikro-orm/migrations';

/**
 * Adds the counts of accounts, which triggers keep whoever writes; those of audit events by hour, which whoever seals events adds up, and a
 * trigger to days; and the last census of sessions.
 */
export class StatsSchema extends Migration {
  override up(): void {
    // The rows of a group are added up: to change a count is to append a row, so that nobody waits for anybody. A job folds them into one.
    this.addSql(`
      create table user_counts (
        id bigint generated always as identity primary key,
        role text not null,
        status text not null,
        mfa_enabled boolean not null,
        email_verified boolean not null,
        users bigint not null
      ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)`);
    this.addSql(COUNT_ROWS);
    this.addSql(COUNT_CHANGE);
    this.addSql(COUNT_NONE);
    // A trigger locks the table against other writers until the migration is committed: the accounts counted below are all that it misses.
    this.addSql(`
      create trigger users_count_insert after insert on users
        referencing new table as changed for each statement execute function count_user_rows()`);
    this.addSql(`
      create trigger users_count_delete after delete on users
        referencing old table as changed for each statement execute function count_user_rows()`);
    // For each row, unlike the others: a statement's would keep a copy of every row that a login writes.
    this.addSql(`
      create trigger users_count_update after update on users for each row
        when ((old.role, old.status, old.mfa_enabled, old.email_verified)
          is distinct from (new.role, new.status, new.mfa_enabled, new.email_verified))
        execute function count_user_change()`);
    this.addSql(`
      create trigger users_count_truncate after truncate on users for each statement execute function count_no_users()`);
    this.addSql(`
      insert into user_counts (role, status, mfa_enabled, email_verified, users)
      select role, status, mfa_enabled, email_verified, count(*) from users group by 1, 2, 3, 4`);

    this.addSql(`
      create table audit_counts (
        hour timestamptz not null,
        kind text not null,
        outcome text not null,
        events bigint not null,
        primary key (hour, kind, outcome)
      )`);
    // A year has 8,784 hours: their sum is kept too.
    this.addSql(`
      create table audit_day_counts (
        day timestamptz not null,
        kind text not null,
        outcome text not null,
        events bigint not null,
        primary key (day, kind, outcome)
      )`);
    this.addSql(COUNT_DAY);
    this.addSql(`
      create trigger audit_counts_add_up after insert or update on audit_counts for each row execute function count_audit_day()`);
    this.addSql(`
      create table session_census (
        is_only boolean primary key default true check (is_only),
        active_sessions bigint not null,
        time timestamptz not null,
        took_ms integer not null
      )`);
  }
}

// One row for each group of the statement, however many accounts it wrote.
const COUNT_ROWS = `
  create function count_user_rows() returns trigger language plpgsql as $$
  begin
    insert into user_counts (role, status, mfa_enabled, email_verified, users)
    select role, status, mfa_enabled, email_verified, case tg_op when 'INSERT' then count(*) else -count(*) end
    from changed group by 1, 2, 3, 4;
    return null;
  end $$`;

const COUNT_CHANGE = `
  create function count_user_change() returns trigger language plpgsql as $$
  begin
    insert into user_counts (role, status, mfa_enabled, email_verified, users) values
      (old.role, old.status, old.mfa_enabled, old.email_verified, -1),
      (new.role, new.status, new.mfa_enabled, new.email_verified, 1);
    return null;
  end $$`;

const COUNT_DAY = `
  create function count_audit_day() returns trigger language plpgsql as $$
  begin
    insert into audit_day_counts as kept (day, kind, outcome, events)
    values (date_trunc('day', new.hour, 'UTC'), new.kind, new.outcome,
      new.events - case tg_op when 'UPDATE' then old.events else 0 end)
    on conflict (day, kind, outcome) do update set events = kept.events + excluded.events;
    return null;
  end $$`;

// Appends too: rows that are being folded meanwhile could be missed by a deletion.
const COUNT_NONE = `
  create function count_no_users() returns trigger language plpgsql as $$
  begin
    insert into user_counts (role, status, mfa_enabled, email_verified, users)
    select role, status, mfa_enabled, email_verified, -sum(users) from user_counts group by 1, 2, 3, 4;
    return null;
  end $$`;
