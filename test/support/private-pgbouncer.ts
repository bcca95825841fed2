// Starts a PgBouncer of our own in transaction mode before a Postgres: own port, own folder; none that runs already is touched.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverUser, withClient } from './private-postgres.ts';
import { folderWith, freePort, GuardedFolder, pathFolders, ServerProcess } from './private-server.ts';

/** A running private PgBouncer. */
export interface PrivatePgBouncer {
  /** `url` of the Postgres, through the pooler. */
  through(url: string): string;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** The path of pgbouncer, or undefined where it is not installed. */
export function findPgBouncer(): string | undefined {
  const folder = folderWith([...pathFolders(), '/usr/sbin', '/usr/bin', '/usr/local/bin'], ['pgbouncer']);
  return folder === undefined ? undefined : join(folder, 'pgbouncer');
}

/** Starts a PgBouncer before the server of `postgresUrl`, with `settings` beside its defaults; throws when none is installed. */
export async function startPrivatePgBouncer(
  postgresUrl: string,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PrivatePgBouncer> {
  const file = findPgBouncer();
  if (file === undefined) throw new Error('pgbouncer not found: neither in PATH nor in /usr/sbin');
  const folder = new GuardedFolder('pgbouncer');
  const owner = serverUser();
  const port = await freePort();
  const { hostname, port: postgresPort, username } = new URL(postgresUrl);
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: 'transaction',
    // Few, so that sessions are shared and change hands.
    default_pool_size: 4,
    max_client_conn: 500,
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  const ini = join(folder.path, 'pgbouncer.ini');
  writeFileSync(
    ini,
    `[databases]\n* = host=${hostname} port=${postgresPort} user=${username}\n[pgbouncer]\n${lines.join('\n')}\n`,
  );
  chmodSync(folder.path, 0o711);
  chmodSync(ini, 0o644);
  const server = new ServerProcess('pgbouncer', folder, { file, args: [ini], ...owner });
  const through = (url: string): string => {
    const changed = new URL(url);
    changed.host = `127.0.0.1:${port}`;
    return changed.href;
  };
  try {
    await server.start(() =>
      withClient(through(postgresUrl), () => Promise.resolve(true)).catch(() => false),
    );
  } catch (error) {
    folder.remove();
    throw error;
  }
  return {
    through,
    async stop() {
      await server.end('SIGKILL');
      folder.remove();
    },
  };
}
