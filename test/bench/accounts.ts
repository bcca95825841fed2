// Accounts in bulk, written into the table at once rather than by as many calls of Register.

import { Client } from 'pg';

/** What the accounts are. They are called `<prefix><number>@example.com`, from 1 on. */
export type BulkAccounts = {
  readonly prefix: string;
  readonly count: number;
  readonly passwordHash: string;
  readonly status?: 'active' | 'suspended';
  readonly emailVerified?: boolean;
  readonly mfaEnabled?: boolean;
};

/** Runs `work` over a connection of its own. */
export async function withDatabase<Result>(
  url: string,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Inserts the accounts. */
export async function insertAccounts(client: Client, accounts: BulkAccounts): Promise<void> {
  const {
    prefix,
    count,
    passwordHash,
    status = 'active',
    emailVerified = true,
    mfaEnabled = false,
  } = accounts;
  await client.query(
    `insert into users (id, email, email_key, username, username_key, full_name, password_hash, role, status,
       email_verified, mfa_enabled, create_time, update_time)
     select gen_random_uuid(), $1 || n || '@example.com', $1 || n || '@example.com', $1 || n, $1 || n, 'Bench', $3, 'user', $4,
       $5, $6, now(), now()
     from generate_series(1, $2::int) n`,
    [prefix, count, passwordHash, status, emailVerified, mfaEnabled],
  );
}

/** The stored hash of the account with this address. */
export async function hashOf(client: Client, email: string): Promise<string> {
  const { rows } = await client.query<{ readonly password_hash: string }>(
    'select password_hash from users where email_key = $1',
    [email],
  );
  return rows[0]?.password_hash ?? '';
}
