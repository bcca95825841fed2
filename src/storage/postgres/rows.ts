// The tables as MikroORM entities. Rows never leave this folder: stores turn them into domain types.

import { defineEntity, p } from '@mikro-orm/core';
import type { InferKyselyDB } from '@mikro-orm/sql';
import {
  AuditCountRow,
  AuditEventRow,
  AuditQueueRow,
  AuditRetirementRow,
  AuditSealRow,
} from './audit/audit-rows.ts';

const UserRow = defineEntity({
  name: 'UserRow',
  tableName: 'users',
  properties: {
    id: p.uuid().primary(),
    email: p.text(),
    email_key: p.text().unique(),
    username: p.text().nullable(),
    username_key: p.text().unique().nullable(),
    full_name: p.text(),
    password_hash: p.text().nullable(),
    role: p.text(),
    status: p.text(),
    email_verified: p.boolean(),
    mfa_enabled: p.boolean(),
    token_version: p.integer(),
    session_epoch: p.integer(),
    create_time: p.datetime(),
    update_time: p.datetime(),
    last_login_time: p.datetime().nullable(),
    external_id: p.text().unique().nullable(),
    suspension_reason: p.text().nullable(),
  },
});

const SessionRow = defineEntity({
  name: 'SessionRow',
  tableName: 'sessions',
  properties: {
    id: p.uuid().primary(),
    user_id: p.uuid(),
    generation: p.integer(),
    uses_cookie: p.boolean(),
    salt: p.blob(),
    scopes: p.array().nullable(),
    epoch: p.integer(),
    device_name: p.text(),
    ip_address: p.text(),
    user_agent: p.text(),
    amr: p.array(),
    auth_time: p.datetime(),
    create_time: p.datetime(),
    last_seen_time: p.datetime(),
    rotate_time: p.datetime().nullable(),
    expire_time: p.datetime(),
    max_expire_time: p.datetime(),
    revoke_time: p.datetime().nullable(),
  },
});

const RoleRow = defineEntity({
  name: 'RoleRow',
  tableName: 'roles',
  properties: {
    name: p.text().primary(),
    inherits: p.text().nullable(),
    scopes: p.array(),
    built_in: p.boolean(),
  },
});

const ServiceAccountRow = defineEntity({
  name: 'ServiceAccountRow',
  tableName: 'service_accounts',
  properties: {
    id: p.uuid().primary(),
    name: p.text().unique(),
    scopes: p.array(),
    status: p.text(),
    token_version: p.integer(),
    create_time: p.datetime(),
  },
});

const ApiKeyRow = defineEntity({
  name: 'ApiKeyRow',
  tableName: 'api_keys',
  properties: {
    id: p.uuid().primary(),
    digest: p.blob(),
    owner_id: p.uuid(),
    owner_kind: p.text(),
    display_name: p.text(),
    scopes: p.array(),
    create_time: p.datetime(),
    expire_time: p.datetime().nullable(),
    revoke_time: p.datetime().nullable(),
    allowed_cidrs: p.array(),
    last_used_time: p.datetime().nullable(),
    use_count: p.bigint('string'),
    version: p.integer(),
    made_by: p.uuid().nullable(),
  },
});

const RevocationRow = defineEntity({
  name: 'RevocationRow',
  tableName: 'revocations',
  properties: {
    form: p.text().primary(),
    target_id: p.text().primary(),
    min_version: p.integer(),
    revoke_time: p.datetime(),
    expire_time: p.datetime(),
    effect_time: p.datetime().nullable(),
  },
});

const SigningKeyRow = defineEntity({
  name: 'SigningKeyRow',
  tableName: 'signing_keys',
  properties: {
    kid: p.text().primary(),
    algorithm: p.text(),
    public_jwk: p.json<Record<string, string>>(),
    sealed_private_key: p.blob(),
    create_time: p.datetime(),
    activate_time: p.datetime(),
  },
});

const OutboxMailRow = defineEntity({
  name: 'OutboxMailRow',
  tableName: 'outbox_mails',
  properties: {
    id: p.uuid().primary(),
    recipient: p.text(),
    /** The email's content: the column kept the name that it had in version 0.1. */
    letter: p.json<Record<string, string>>(),
    state: p.text(),
    attempts: p.integer(),
    create_time: p.datetime(),
    next_attempt_time: p.datetime(),
    sent_time: p.datetime().nullable(),
    last_error: p.text().nullable(),
  },
});

const ActionTokenRow = defineEntity({
  name: 'ActionTokenRow',
  tableName: 'action_tokens',
  properties: {
    id: p.uuid().primary(),
    purpose: p.text(),
    user_id: p.uuid(),
    digest: p.blob(),
    payload: p.json<Record<string, unknown>>(),
    create_time: p.datetime(),
    expire_time: p.datetime(),
    use_time: p.datetime().nullable(),
  },
});

const LockoutRow = defineEntity({
  name: 'LockoutRow',
  tableName: 'lockouts',
  properties: {
    key: p.text().primary(),
    failures: p.integer(),
    last_failure_time: p.datetime(),
    locked_until: p.datetime().nullable(),
  },
});

const TotpFactorRow = defineEntity({
  name: 'TotpFactorRow',
  tableName: 'totp_factors',
  properties: {
    user_id: p.uuid().primary(),
    enrolment: p.uuid(),
    sealed_secret: p.blob(),
    confirm_time: p.datetime().nullable(),
    create_time: p.datetime(),
    last_used_step: p.bigint('string'),
  },
});

const SupersededPasswordRow = defineEntity({
  name: 'SupersededPasswordRow',
  tableName: 'superseded_passwords',
  properties: {
    user_id: p.uuid().primary(),
    password_hash: p.text(),
    replace_time: p.datetime(),
  },
});

const BackupCodeRow = defineEntity({
  name: 'BackupCodeRow',
  tableName: 'backup_codes',
  properties: {
    user_id: p.uuid().primary(),
    digest: p.blob().primary(),
    use_time: p.datetime().nullable(),
  },
});

const KnownDeviceRow = defineEntity({
  name: 'KnownDeviceRow',
  tableName: 'known_devices',
  properties: {
    user_id: p.uuid().primary(),
    fingerprint: p.blob().primary(),
    last_seen_time: p.datetime(),
  },
});

const SessionCensusRow = defineEntity({
  name: 'SessionCensusRow',
  tableName: 'session_census',
  properties: {
    is_only: p.boolean().primary(),
    active_sessions: p.bigint('string'),
    time: p.datetime(),
    took_ms: p.integer(),
  },
});

const InstanceFactRow = defineEntity({
  name: 'InstanceFactRow',
  tableName: 'instance_facts',
  properties: { name: p.text().primary(), value: p.text() },
});

/** Every table. */
export const ROWS = [
  UserRow,
  SessionRow,
  RoleRow,
  ServiceAccountRow,
  ApiKeyRow,
  RevocationRow,
  SigningKeyRow,
  AuditEventRow,
  AuditQueueRow,
  AuditSealRow,
  AuditRetirementRow,
  OutboxMailRow,
  ActionTokenRow,
  LockoutRow,
  TotpFactorRow,
  BackupCodeRow,
  SupersededPasswordRow,
  KnownDeviceRow,
  AuditCountRow,
  SessionCensusRow,
  InstanceFactRow,
] as const;

/** The tables as the query builder sees them. */
export type Tables = InferKyselyDB<(typeof ROWS)[number]>;
