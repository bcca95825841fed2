// The audit log by month, what waits to be sealed, and the seals.

import { Migration } from '@mikro-orm/migrations';

/**
 * Divides the audit events by month, and adds the queue, the seals and the two functions by which a role that may not change the log keeps it
 * in order (docs/adr/0011).
 */
export class AuditSchema extends Migration {
  override up(): void {
    this.renameEvents();
    this.createEvents();
    this.createSeals();
    this.createAppend();
    this.refuseChanges();
    this.createUpkeep();
    this.carryOver();
  }

  private renameEvents(): void {
    this.addSql(`alter table audit_events rename to audit_events_before`);
    this.addSql(`alter table audit_events_before drop constraint audit_events_pkey`);
    this.addSql(
      `alter table audit_events_before rename constraint audit_events_outcome_check to audit_events_before_outcome_check`,
    );
    this.addSql(`drop index audit_events_by_account`);
  }

  private createEvents(): void {
    this.addSql(`
      create table audit_events (
        id uuid not null,
        time timestamptz not null,
        kind text not null,
        outcome text not null check (outcome in ('success', 'refused')),
        reason text,
        account_id uuid,
        actor_id text,
        target_id text,
        ip_address text not null,
        user_agent text not null,
        request_id text not null,
        details jsonb,
        primary key (time, id)
      ) partition by range (time)`);
    // For a clock that went astray: its events are kept too.
    this.addSql(`create table audit_events_default partition of audit_events default`);
    // Events without an account, an actor or a target stand in these too: to write one down takes as long, whether an account was found or not (CWE-208).
    this.addSql(`create index audit_events_by_account on audit_events (account_id, time desc, id desc)`);
    this.addSql(`create index audit_events_by_actor on audit_events (actor_id, time desc, id desc)`);
    this.addSql(`create index audit_events_by_target on audit_events (target_id, time desc, id desc)`);
    this.addSql(`create index audit_events_by_kind on audit_events (kind, time desc, id desc)`);
    this.addSql(`create index audit_events_by_request on audit_events using hash (request_id)`);
  }

  private createSeals(): void {
    // Without an index, as it is read whole and nearly empty; vacuumed early and at full speed, as every row is soon deleted.
    this.addSql(`
      create table audit_queue (
        event_time timestamptz not null,
        event_id uuid not null
      ) with (
        autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_threshold = -1,
        autovacuum_vacuum_cost_delay = 0
      )`);
    this.addSql(`
      create table audit_seals (
        first_number bigint primary key check (first_number > 0),
        event_count integer not null check (event_count > 0),
        event_ids uuid[] not null,
        event_times timestamptz[] not null,
        digests bytea not null,
        previous_hash bytea not null,
        hash bytea not null,
        seal_time timestamptz not null,
        reach timestamptz not null
      )`);
    // The latest time of any event up to here: it never falls, and so finds the end of the leading seals whose events are all that old.
    this.addSql(`create index audit_seals_by_reach on audit_seals (reach, first_number)`);
    // One row for each time that months were retired: every event before the horizon is gone, and the seals up to the last number.
    this.addSql(`
      create table audit_retirements (
        retire_time timestamptz primary key,
        horizon timestamptz not null,
        last_number bigint not null,
        last_hash bytea not null
      )`);
  }

  // A function, as the server keeps the plans of what it does: to plan ON CONFLICT on a partitioned table takes longer than the insert.
  private createAppend(): void {
    this.addSql(`
      create function audit_append(uuid, timestamptz, text, text, text, uuid, text, text, text, text, text, jsonb) returns void
      language plpgsql as $body$
      begin
        insert into audit_events (id, time, kind, outcome, reason, account_id, actor_id, target_id, ip_address, user_agent, request_id, details)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        on conflict (time, id) do nothing;
        if found then
          insert into audit_queue (event_time, event_id) values ($2, $1);
        end if;
      end $body$`);
  }

  // Against an owner's mistake. Whoever is no owner is refused by the grants before.
  private refuseChanges(): void {
    this.addSql(`
      create function audit_refuse_change() returns trigger language plpgsql as $body$
      begin
        if current_setting('latchkey.audit_upkeep', true) = 'on' then
          return case when tg_op = 'DELETE' then old else new end;
        end if;
        raise exception 'the audit log is append-only: % on % is refused', tg_op, tg_table_name
          using errcode = 'insufficient_privilege';
      end $body$`);
    for (const table of ['audit_events', 'audit_seals', 'audit_retirements'])
      this.addSql(`
        create trigger ${table}_append_only before update or delete on ${table}
        for each row execute function audit_refuse_change()`);
    // A trigger by row is handed down to the partitions; one by statement is not.
    for (const table of ['audit_events', 'audit_events_default', 'audit_seals', 'audit_retirements'])
      this.addSql(`
        create trigger ${table}_no_truncate before truncate on ${table}
        for each statement execute function audit_refuse_change()`);
  }

  private createUpkeep(): void {
    // Attached, not created in place: that locks out neither the appends nor those who read other months (PostgreSQL, "Table Partitioning").
    this.addSql(`
      create function audit_add_month(month timestamptz) returns void language plpgsql as $body$
      declare
        name text := 'audit_events_' || to_char(month at time zone 'UTC', 'YYYY_MM');
        first_day timestamptz := date_trunc('month', month at time zone 'UTC') at time zone 'UTC';
        next_first timestamptz := (date_trunc('month', month at time zone 'UTC') + interval '1 month') at time zone 'UTC';
      begin
        if to_regclass(name) is not null then return; end if;
        execute format('create table %I (like audit_events including all)', name);
        if exists (select from audit_events_default where time >= first_day and time < next_first) then
          lock table audit_events_default in access exclusive mode;
          perform set_config('latchkey.audit_upkeep', 'on', true);
          execute format('with moved as (delete from audit_events_default where time >= %L and time < %L returning *)
            insert into %I select * from moved', first_day, next_first, name);
          perform set_config('latchkey.audit_upkeep', 'off', true);
        end if;
        execute format('alter table audit_events attach partition %I for values from (%L) to (%L)', name, first_day, next_first);
        execute format('create trigger %I before truncate on %I for each statement execute function audit_refuse_change()',
          name || '_no_truncate', name);
      end $body$`);
    this.addSql(`
      create function audit_months() returns table (name text, next_first timestamptz) language sql stable as $body$
        select c.relname::text, (to_date(substr(c.relname, 14), 'YYYY_MM')::timestamp + interval '1 month') at time zone 'UTC'
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'audit_events'::regclass and c.relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'
      $body$`);
    this.addSql(`
      create function audit_extend(until timestamptz) returns void language plpgsql security definer as $body$
      declare
        month timestamptz := date_trunc('month', now() at time zone 'UTC') at time zone 'UTC';
      begin
        if until > now() + interval '25 months' then
          raise exception 'audit_extend: more than two years ahead' using errcode = 'invalid_parameter_value';
        end if;
        while month <= until loop
          perform audit_add_month(month);
          month := (month at time zone 'UTC' + interval '1 month') at time zone 'UTC';
        end loop;
      end $body$`);
    // Every month that is wholly before the horizon, the first day of a month, goes, with what a stray clock wrote before it. The leading seals
    // of such events alone are given up at once, and deleted so many in each call. While something of it is queued still, nothing goes. The
    // locks that logins queue behind are taken last.
    this.addSql(`
      create function audit_retire(before timestamptz, event_id uuid) returns timestamptz language plpgsql security definer as $body$
      declare
        new_horizon timestamptz := date_trunc('month', before);
        told_time timestamptz := date_trunc('milliseconds', clock_timestamp());
        link record;
        month record;
      begin
        if before > now() - interval '30 days' then
          raise exception 'audit_retire: younger than 30 days' using errcode = 'invalid_parameter_value';
        end if;
        perform set_config('latchkey.audit_upkeep', 'on', true);
        delete from audit_seals where first_number in (
          select first_number from audit_seals
          where first_number <= (select max(last_number) from audit_retirements) order by first_number limit 50000);
        perform set_config('latchkey.audit_upkeep', 'off', true);
        if not exists (select from audit_months() where next_first <= new_horizon)
          and not exists (select from audit_events_default where time < new_horizon) then return null; end if;
        if exists (select from audit_queue where event_time < new_horizon) then return null; end if;

        select first_number + event_count - 1 as number, hash into link from audit_seals
          where reach < new_horizon order by reach desc, first_number desc limit 1;
        if not found then
          select last_number as number, last_hash as hash into link from audit_retirements order by last_number desc limit 1;
        end if;
        if not found then
          select 0::bigint as number, decode(repeat('00', 32), 'hex') as hash into link;
        end if;
        perform set_config('latchkey.audit_upkeep', 'on', true);
        delete from audit_events_default where time < new_horizon;
        perform set_config('latchkey.audit_upkeep', 'off', true);
        insert into audit_retirements (retire_time, horizon, last_number, last_hash)
          values (told_time, new_horizon, link.number, link.hash);
        perform audit_append(event_id, told_time, 'audit.retire', 'success', null, null, null, null, '', '', '', jsonb_build_object(
          'horizon', to_char(new_horizon, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
          'lastNumber', link.number::text, 'lastHash', encode(link.hash, 'hex')));
        for month in select name from audit_months() where next_first <= new_horizon loop
          execute format('drop table %I', month.name);
        end loop;
        return new_horizon;
      end $body$`);
    this.guardFunction('audit_add_month(timestamptz)');
    this.guardFunction('audit_extend(timestamptz)');
    this.guardFunction('audit_retire(timestamptz, uuid)');
  }

  // Names are looked up where the tables are and never in a caller's own schema; a lock is waited for shortly, as logins queue behind.
  private guardFunction(signature: string): void {
    this.addSql(`revoke all on function ${signature} from public`);
    this.addSql(`alter function ${signature} set lock_timeout = '300ms'`);
    this.addSql(`alter function ${signature} set timezone = 'UTC'`);
    this.addSql(`
      do $body$ begin
        execute format('alter function ${signature} set search_path = %I, pg_temp', current_schema());
      end $body$`);
  }

  private carryOver(): void {
    // Months from the oldest event on; what is older than ten years comes from a clock that went astray.
    this.addSql(`
      select audit_add_month(month) from generate_series(
        date_trunc('month', greatest(now() - interval '10 years', least(now(), (select min(time) from audit_events_before))) at time zone 'UTC'),
        date_trunc('month', now() at time zone 'UTC') + interval '12 months',
        interval '1 month') as months (naive), lateral (select naive at time zone 'UTC' as month) as utc`);
    this.addSql(`
      insert into audit_events (id, time, kind, outcome, reason, account_id, actor_id, target_id, ip_address, user_agent, request_id, details)
      select id, time, kind, outcome, reason, account_id, actor_id, target_id, ip_address, user_agent, request_id, details
      from audit_events_before`);
    this.addSql(
      `insert into audit_queue (event_time, event_id) select time, id from audit_events_before order by time, id`,
    );
    this.addSql(`drop table audit_events_before`);
  }
}
