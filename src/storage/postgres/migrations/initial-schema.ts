// The first schema.

import { Migration } from '@mikro-orm/migrations';

/** Creates every table of the core. */
export class InitialSchema extends Migration {
  override up(): void {
    this.addSql(`
      create table roles (
        name text primary key,
        inherits text references roles (name),
        scopes text[] not null,
        built_in boolean not null default false
      )`);
    this.addSql(`
      insert into roles (name, inherits, scopes, built_in) values
        ('user', null, '{account:read,account:write}', true),
        ('moderator', 'user', '{users:read,audit:read}', true),
        ('admin', 'moderator',
          '{users:write,roles:read,service_accounts:read,service_accounts:write,stats:read,tokens:validate}', true),
        ('super_admin', 'admin', '{roles:write,signing_keys:read,signing_keys:write}', true)`);
    this.addSql(`
      create table users (
        id uuid primary key,
        email text not null,
        email_key text not null unique,
        username text,
        username_key text unique,
        full_name text not null,
        password_hash text,
        role text not null references roles (name),
        status text not null default 'active' check (status in ('active', 'suspended', 'deleted')),
        email_verified boolean not null default false,
        mfa_enabled boolean not null default false,
        token_version integer not null default 1,
        session_epoch integer not null default 1,
        create_time timestamptz not null,
        update_time timestamptz not null,
        last_login_time timestamptz
      )`);
    this.addSql(`
      create table sessions (
        id uuid primary key,
        user_id uuid not null references users (id) on delete cascade,
        generation integer not null,
        salt bytea not null,
        scopes text[],
        epoch integer not null,
        device_name text not null,
        ip_address text not null,
        user_agent text not null,
        amr text[] not null,
        auth_time timestamptz not null,
        create_time timestamptz not null,
        last_seen_time timestamptz not null,
        rotate_time timestamptz,
        expire_time timestamptz not null,
        max_expire_time timestamptz not null,
        revoke_time timestamptz
      ) with (fillfactor = 80)`);
    this.addSql(
      `create index sessions_live_by_user on sessions (user_id, create_time desc, id desc) where revoke_time is null`,
    );
    this.addSql(`
      create table service_accounts (
        id uuid primary key,
        name text not null unique,
        scopes text[] not null,
        status text not null default 'active' check (status in ('active', 'suspended', 'deleted')),
        token_version integer not null default 1,
        create_time timestamptz not null
      )`);
    this.addSql(`
      create table api_keys (
        id uuid primary key,
        digest bytea not null,
        owner_id uuid not null,
        owner_kind text not null check (owner_kind in ('user', 'service')),
        display_name text not null,
        scopes text[] not null,
        create_time timestamptz not null,
        expire_time timestamptz,
        revoke_time timestamptz
      )`);
    this.addSql(`create index api_keys_by_owner on api_keys (owner_id)`);
    // written_by says which transaction wrote the row: a reader that knows the oldest transaction still open at its last look misses none.
    this.addSql(`
      create table revocations (
        form text not null check (form in ('token', 'session', 'subject')),
        target_id text not null,
        min_version integer not null,
        revoke_time timestamptz not null,
        expire_time timestamptz not null,
        written_by xid8 not null default pg_current_xact_id(),
        primary key (form, target_id)
      )`);
    this.addSql(`create index revocations_by_writer on revocations (written_by)`);
    this.addSql(`create index revocations_by_expiry on revocations (expire_time)`);
    this.addSql(`
      create table signing_keys (
        kid text primary key,
        algorithm text not null,
        public_jwk jsonb not null,
        sealed_private_key bytea not null,
        create_time timestamptz not null,
        activate_time timestamptz not null
      )`);
    this.addSql(`
      create table audit_events (
        id uuid primary key,
        time timestamptz not null,
        kind text not null,
        outcome text not null check (outcome in ('success', 'refused')),
        reason text,
        actor_id text,
        target_id text,
        ip_address text not null,
        user_agent text not null,
        request_id text not null,
        details jsonb
      )`);
    this.addSql(`
      create table outbox_mails (
        id uuid primary key,
        recipient text not null,
        letter jsonb not null,
        state text not null default 'pending' check (state in ('pending', 'sent', 'dead')),
        attempts integer not null default 0,
        create_time timestamptz not null,
        next_attempt_time timestamptz not null,
        sent_time timestamptz,
        last_error text
      )`);
    this.addSql(`create index outbox_mails_due on outbox_mails (next_attempt_time) where state = 'pending'`);
    this.addSql(`create table instance_facts (name text primary key, value text not null)`);
  }
}
