// What a person does to their own account, and what keeps others out of it.

import { Migration } from '@mikro-orm/migrations';

/** Adds single-use tokens, lockouts, second factors, known devices, cookie sessions, and what API keys and audit events know of owners. */
export class AccountSchema extends Migration {
  override up(): void {
    this.addSql(`
      create table action_tokens (
        id uuid primary key,
        purpose text not null,
        user_id uuid not null references users (id) on delete cascade,
        digest bytea not null,
        payload jsonb not null,
        create_time timestamptz not null,
        expire_time timestamptz not null
      )`);
    this.addSql(`create index action_tokens_by_user on action_tokens (user_id, purpose)`);
    this.addSql(`create index action_tokens_by_expiry on action_tokens (expire_time)`);
    this.addSql(`
      create table lockouts (
        key text primary key,
        failures integer not null,
        last_failure_time timestamptz not null,
        locked_until timestamptz
      )`);
    this.addSql(`create index lockouts_by_age on lockouts (last_failure_time)`);
    this.addSql(`
      create table totp_factors (
        user_id uuid primary key references users (id) on delete cascade,
        sealed_secret bytea not null,
        confirm_time timestamptz,
        create_time timestamptz not null,
        last_used_step bigint not null default 0
      )`);
    this.addSql(`
      create table backup_codes (
        user_id uuid not null references users (id) on delete cascade,
        digest bytea not null,
        use_time timestamptz,
        primary key (user_id, digest)
      )`);
    this.addSql(`
      create table known_devices (
        user_id uuid not null references users (id) on delete cascade,
        fingerprint bytea not null,
        last_seen_time timestamptz not null,
        primary key (user_id, fingerprint)
      )`);
    this.addSql(`
      alter table api_keys
        add column allowed_cidrs text[] not null default '{}',
        add column last_used_time timestamptz,
        add column use_count bigint not null default 0`);
    // Room on each page for the row that a login writes anew, so that no index has to be touched (heap-only tuples).
    this.addSql(`alter table users set (fillfactor = 85)`);
    // A browser's session: it has a cookie, and no tokens.
    this.addSql(`alter table sessions add column uses_cookie boolean not null default false`);
    // A revocation that holds only from then on; at once when null.
    this.addSql(`alter table revocations add column effect_time timestamptz`);
    this.addSql(`alter table audit_events add column account_id uuid`);
    // Events without an account stand in it too: to write one down takes as long, whether an account was found or not (CWE-208).
    this.addSql(`create index audit_events_by_account on audit_events (account_id, time desc, id desc)`);
    // A letter whose reason is gone when it is due, like a reset for an address without an account, is dropped.
    this.addSql(`alter table outbox_mails drop constraint outbox_mails_state_check`);
    this.addSql(
      `alter table outbox_mails add constraint outbox_mails_state_check check (state in ('pending', 'sent', 'dead', 'dropped'))`,
    );
  }
}
