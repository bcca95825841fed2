// Starts a Redis of our own: own port, own folder, nothing kept on disk; no Redis that runs already is touched.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';

import { folderWith, freePort, GuardedFolder, pathFolders, ServerProcess } from './private-server.ts';

/** How Redis is started. */
export interface PrivateRedisOptions {
  /** More settings, as in redis.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Starts a Sentinel, which watches nothing, in the place of a Redis. */
  readonly isSentinel?: boolean;
}

/** A running private Redis. */
export interface PrivateRedis {
  readonly url: string;
  readonly port: number;
  readonly version: string;
  /** Kills the server, as a crash would. */
  stopServer(): Promise<void>;
  /** Starts it again on the same port, empty. */
  startServer(): Promise<void>;
  /** stopServer, then startServer. */
  restart(): Promise<void>;
  /** Freezes the server: connections stay open, nothing answers. */
  pause(): void;
  /** Lets a frozen server go on. */
  resume(): void;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

/** The path of redis-server, or undefined where Redis is not installed. */
export function findRedis(): string | undefined {
  const folder = folderWith(
    [...pathFolders(), '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
    ['redis-server'],
  );
  return folder === undefined ? undefined : join(folder, 'redis-server');
}

/** Starts a private Redis; throws when none is installed (ask `findRedis` first). */
export async function startPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const file = findRedis();
  if (file === undefined) throw new Error('redis not found: no redis-server in PATH');
  const folder = new GuardedFolder('redis');
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const server = new ServerProcess('redis', folder, { file, args: serverArgs(folder.path, port, options) });
    const ready = async (pid: number): Promise<boolean> =>
      (await serverInfo(port, 'process_id')) === String(pid);
    try {
      await server.start(ready);
      return describeServer(server, folder, port, ready, await serverInfo(port, 'redis_version'));
    } catch (error) {
      await server.end('SIGKILL');
      // Another process may have taken the port between the search and the start.
      if (attempt < 5 && server.log().includes('Address already in use')) continue;
      folder.remove();
      throw error;
    }
  }
}

function serverArgs(folder: string, port: number, options: PrivateRedisOptions): string[] {
  if (options.isSentinel === true) {
    // It wants a file of its own that it can write.
    const file = join(folder, `sentinel-${port}.conf`);
    writeFileSync(file, `port ${port}\nbind 127.0.0.1\n`);
    return [file, '--sentinel'];
  }
  const settings: Record<string, string | number> = {
    bind: '127.0.0.1',
    port,
    dir: folder,
    daemonize: 'no',
    save: '',
    appendonly: 'no',
    ...options.settings,
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

function describeServer(
  server: ServerProcess,
  folder: GuardedFolder,
  port: number,
  ready: (pid: number) => Promise<boolean>,
  version: string,
): PrivateRedis {
  const stopServer = (): Promise<void> => server.end('SIGKILL');
  const startServer = (): Promise<void> => server.start(ready);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    version,
    stopServer,
    startServer,
    restart: async () => {
      await stopServer();
      await startServer();
    },
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
    stop: async () => {
      await stopServer();
      folder.remove();
    },
  };
}

/** Runs `use` with a connection of its own that gives up instead of reconnecting. */
export async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 5_000 });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

/** One field of INFO; the process id distinguishes our server from another on the same port. */
async function serverInfo(port: number, field: string): Promise<string> {
  const info = await withRedis(`redis://127.0.0.1:${port}`, (redis) => redis.info('server'));
  return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
}
