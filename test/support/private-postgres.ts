// Starts a Postgres of our own: own port, own folder, own databases; nothing that runs on the machine already is touched.
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';

import {
  childrenOf,
  folderWith,
  freePort,
  GuardedFolder,
  pathFolders,
  ServerProcess,
} from './private-server.ts';

/** How Postgres is started. */
export interface PrivatePostgresOptions {
  /** Keep Postgres' own fsync and full_page_writes (for benchmarks); off otherwise, which survives anything but a power cut. */
  readonly durable?: boolean;
  /** More settings, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** How Postgres ends: `smart` waits for clients, `fast` disconnects them, `immediate` is a crash that recovers at the next start. */
export type PostgresStopMode = 'smart' | 'fast' | 'immediate';

/** A running private Postgres. */
export interface PrivatePostgres {
  /** A fresh, empty database of ours. */
  readonly url: string;
  /** The maintenance database, for CREATE DATABASE and the like. */
  readonly adminUrl: string;
  readonly port: number;
  readonly version: string;
  /** Ends the server; the data stays. */
  stopServer(mode?: PostgresStopMode): Promise<void>;
  /** Starts it again on the same port with the same data. */
  startServer(): Promise<void>;
  /** stopServer, then startServer. */
  restart(mode?: PostgresStopMode): Promise<void>;
  /** Freezes the server and all its sessions: connections stay open, nothing answers. */
  pause(): void;
  /** Lets a frozen server go on. */
  resume(): void;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

const SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
const run = promisify(execFile);

/** The folder with initdb and the postgres that belongs to it, or undefined where Postgres is not installed. */
export function findPostgres(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian) : [];
  const packaged = versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((version) => join(debian, version, 'bin'));
  // What PATH holds may be links or wrappers: initdb insists on the postgres beside its real self.
  const onPath = pathFolders()
    .map((folder) => join(folder, 'initdb'))
    .filter((file) => existsSync(file))
    .map((file) => dirname(realpathSync(file)));
  return folderWith([...packaged, ...onPath], ['initdb', 'postgres']);
}

/** Starts a private Postgres; throws when none is installed (ask `findPostgres` first). */
export async function startPrivatePostgres(options: PrivatePostgresOptions = {}): Promise<PrivatePostgres> {
  const bin = findPostgres();
  if (bin === undefined) throw new Error('postgres not found: neither in PATH nor in /usr/lib/postgresql');
  const folder = new GuardedFolder('postgres');
  try {
    const data = join(folder.path, 'data');
    const owner = serverUser();
    mkdirSync(data, { mode: 0o700 });
    if (owner !== undefined) {
      chmodSync(folder.path, 0o711);
      chownSync(data, owner.uid, owner.gid);
    }
    const locale = process.platform === 'linux' ? 'C.UTF-8' : 'C';
    const init = [
      '-D',
      data,
      '-U',
      'postgres',
      '--auth=trust',
      '--encoding=UTF8',
      `--locale=${locale}`,
      '--no-sync',
    ];
    await run(join(bin, 'initdb'), init, { cwd: folder.path, ...owner });
    return await startOnFreePort(join(bin, 'postgres'), data, folder, owner, options);
  } catch (error) {
    folder.remove();
    throw error;
  }
}

async function startOnFreePort(
  file: string,
  data: string,
  folder: GuardedFolder,
  owner: UserIds | undefined,
  options: PrivatePostgresOptions,
): Promise<PrivatePostgres> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const server = new ServerProcess('postgres', folder, {
      file,
      args: serverArgs(data, port, options),
      ...owner,
    });
    try {
      const adminUrl = `postgresql://postgres@127.0.0.1:${port}/postgres`;
      const ready = (): Promise<boolean> => answersFrom(adminUrl, data);
      await server.start(ready);
      return await describeServer(server, folder, port, adminUrl, ready);
    } catch (error) {
      await server.end('SIGQUIT');
      // Another process may have taken the port between the search and the start.
      if (attempt === 5 || !server.log().includes('Address already in use')) throw error;
    }
  }
}

function serverArgs(data: string, port: number, options: PrivatePostgresOptions): string[] {
  const settings: Record<string, string | number> = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    timezone: 'UTC',
    log_timezone: 'UTC',
    // synchronous_commit stays on: without it a killed server loses what it has acknowledged, and fault tests would blame us.
    ...(options.durable === true ? {} : { fsync: 'off', full_page_writes: 'off' }),
    ...options.settings,
  };
  return ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

async function describeServer(
  server: ServerProcess,
  folder: GuardedFolder,
  port: number,
  adminUrl: string,
  ready: () => Promise<boolean>,
): Promise<PrivatePostgres> {
  const database = `latchkey_${randomBytes(6).toString('hex')}`;
  const version = await withClient(adminUrl, async (client) => {
    await client.query(`CREATE DATABASE ${database}`);
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    return rows[0]?.server_version ?? '';
  });

  const pause = (): void => {
    const { pid } = server;
    if (pid === undefined) return;
    // The parent first, so that no new session escapes.
    process.kill(pid, 'SIGSTOP');
    childrenOf(pid).forEach((child) => signalIfAlive(child, 'SIGSTOP'));
  };
  const resume = (): void => {
    const { pid } = server;
    if (pid === undefined) return;
    childrenOf(pid).forEach((child) => signalIfAlive(child, 'SIGCONT'));
    process.kill(pid, 'SIGCONT');
  };
  const stopServer = async (mode: PostgresStopMode = 'fast'): Promise<void> => {
    resume();
    await server.end(SIGNALS[mode]);
  };
  const startServer = (): Promise<void> => server.start(ready);
  return {
    url: adminUrl.replace(/postgres$/, database),
    adminUrl,
    port,
    version,
    stopServer,
    startServer,
    pause,
    resume,
    restart: async (mode) => {
      await stopServer(mode);
      await startServer();
    },
    stop: async () => {
      await stopServer('immediate');
      folder.remove();
    },
  };
}

/** A session may end between the look and the signal. */
function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Runs `use` with a connection of its own. */
export async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  // A server that goes away while we are connected is reported by the query, not by a crash of the test process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Whether the server behind the address answers and is the one with our data, not another one on the same port. */
async function answersFrom(url: string, data: string): Promise<boolean> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0]?.data_directory === data;
  });
}

interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/** Postgres refuses to run as root, and so does PgBouncer; then it runs as its own user, or as nobody. */
export function serverUser(): UserIds | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      continue; // no such user
    }
  }
  throw new Error('neither a user postgres nor nobody exists, and Postgres does not run as root');
}
