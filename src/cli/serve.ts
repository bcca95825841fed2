// `latchkey serve`: runs the service until it is told to stop.

import { flushCompileCache } from 'node:module';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import type { BootstrapSecrets } from '../domain/instance/bootstrap.ts';
import type { RunningService } from '../service.ts';
import { createLogger } from '../telemetry/logger.ts';
import { collectGarbage } from './collect-garbage.ts';
import { openCurrentStorage } from './current-storage.ts';
import { explain } from './explain.ts';

/**
 * Starts the service and lets it run until SIGTERM or SIGINT. Embedded it brings the schema up to date and makes the first administrator; on a server a
 * schema that is behind is refused. Errors: ConfigError, WrongMasterKeyError, those of the database, a port that is taken.
 */
export async function serve(config: Config): Promise<void> {
  const startTime = performance.now();
  // While the database opens, which the first time takes long, the rest is loaded.
  const [storage, { openApp, bootstrapApp, closeApp }, { startService }] = await Promise.all([
    openCurrentStorage(config),
    import('../app.ts'),
    import('../service.ts'),
  ]);
  const app = await openApp(config, createLogger(config.LOG_LEVEL), storage);
  const { dataDir } = storage;
  if (dataDir !== undefined) {
    const secrets = await bootstrapApp(app, config.ADMIN_EMAIL, (made) => dataDir.writeBootstrap(made));
    if (secrets !== undefined) printBootstrap(secrets, dataDir.bootstrapFile);
  }
  const service = await startService(app);
  const scheme = config.TLS === undefined ? 'http' : 'https';
  app.logger.info(
    {
      grpc: config.GRPC_ADDRESS.replace(/:\d+$/, `:${service.grpcPort}`),
      http: `${scheme}://${config.HTTP_ADDRESS.replace(/:\d+$/, `:${service.httpPort}`)}`,
      storage: config.DATABASE_URL === undefined ? `embedded in ${config.DATA_DIR}` : 'postgres',
      startMs: Math.round(performance.now() - startTime),
    },
    'ready',
  );
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void shutDown({ app, service, signal, closeApp }));
  flushCompileCache();
  await collectGarbage();
}

type Running = {
  readonly app: App;
  readonly service: RunningService;
  readonly signal: string;
  readonly closeApp: (app: App) => Promise<void>;
};

async function shutDown({ app, service, signal, closeApp }: Running): Promise<void> {
  app.logger.info({ signal }, 'shutting down');
  try {
    await service.stop();
    await closeApp(app);
    app.logger.info('stopped');
    process.exit(0);
  } catch (error) {
    console.error(`latchkey: ${explain(error)}`);
    process.exit(1);
  }
}

function printBootstrap(secrets: BootstrapSecrets, file: string): void {
  const lines = [
    '',
    'First start. These are shown once:',
    `  administrator  ${secrets.adminEmail}`,
    `  password       ${secrets.adminPassword}`,
    `  gateway key    ${secrets.gatewayApiKey}`,
    `They stand in ${file} too (mode 0600): keep them somewhere safe and delete it.`,
    '',
  ];
  console.error(lines.join('\n'));
}
