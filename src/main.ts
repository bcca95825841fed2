#!/usr/bin/env node
// The command line. One clear line and a non-zero exit code for whatever keeps a command from its work.

import { existsSync } from 'node:fs';
import { loadEnvFile } from 'node:process';
import { Command } from 'commander';
import type { App } from './app.ts';
import { bootstrapApp, closeApp, openApp, openStorage } from './app.ts';
import { openCurrentStorage, requireServable } from './cli/current-storage.ts';
import { addOperatorCommands } from './cli/operator-commands.ts';
import type { Config } from './config.ts';
import { ConfigError, readConfig, unknownVariables } from './config.ts';
import { THREADS_VARIABLE, threadsFor } from './config/threads.ts';
import { WrongMasterKeyError } from './crypto/keys/master-key-check.ts';
import type { BootstrapSecrets } from './domain/instance/bootstrap.ts';
import type { RunningService } from './service.ts';
import { startService } from './service.ts';
import { createLogger } from './telemetry/logger.ts';
import { describeFault } from './telemetry/describe-fault.ts';

const program = new Command('latchkey')
  .description('A gRPC identity service: accounts, sessions, tokens and their revocation.')
  .version('0.1.0')
  .showHelpAfterError()
  .addHelpText(
    'after',
    '\nEverything is configured by environment variables (LATCHKEY_…) or a .env file; docs/configuration.md lists them.',
  );

program
  .command('serve')
  .description('run the service (embedded unless LATCHKEY_DATABASE_URL is set)')
  .action(() => run(serve));

program
  .command('migrate')
  .description('bring the schema of the database up to date; may run while the previous version serves')
  .action(() => run(migrate));

program
  .command('bootstrap')
  .description('create the first administrator and a gateway API key, once; prints them as JSON')
  .option('--admin-email <address>', "the administrator's e-mail address")
  .action((options: { adminEmail?: string }) =>
    run((config) => bootstrapCommand(config, options.adminEmail)),
  );

addOperatorCommands(program, run);

await program.parseAsync();

async function run(command: (config: Config) => Promise<void>): Promise<void> {
  try {
    if (existsSync('.env')) loadEnvFile('.env');
    const config = readConfig(process.env);
    // Read when the pool is first used, which nothing has done yet.
    process.env[THREADS_VARIABLE] ??= String(threadsFor(config.HASHING_SLOTS));
    for (const variable of unknownVariables(process.env))
      console.error(`latchkey: ${variable}: there is no such variable; ignored`);
    await command(config);
  } catch (error) {
    for (const line of explain(error).split('\n')) console.error(`latchkey: ${line}`);
    process.exit(error instanceof ConfigError || error instanceof WrongMasterKeyError ? 78 : 1);
  }
}

function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof WrongMasterKeyError) return `LATCHKEY_MASTER_KEY: ${error.message}`;
  return describeFault(error);
}

async function serve(config: Config): Promise<void> {
  const startTime = performance.now();
  const app = await openReadyApp(config);
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
    process.once(signal, () => void shutDown(app, service, signal));
}

async function shutDown(app: App, service: RunningService, signal: string): Promise<void> {
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

/** Embedded: brings the schema up to date and makes the first administrator. External: refuses a schema that is behind. */
async function openReadyApp(config: Config): Promise<App> {
  const storage = await openCurrentStorage(config);
  const app = await openApp(config, createLogger(config.LOG_LEVEL), storage);
  const { dataDir } = storage;
  if (dataDir !== undefined) {
    const secrets = await bootstrapApp(app, config.ADMIN_EMAIL, (made) => dataDir.writeBootstrap(made));
    if (secrets !== undefined) printBootstrap(secrets, dataDir.bootstrapFile);
  }
  return app;
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

async function migrate(config: Config): Promise<void> {
  const { database, dataDir } = await openStorage(config);
  await requireServable({ database });
  const applied = await database.migrate();
  console.log(applied.length === 0 ? 'The schema is up to date.' : `Applied: ${applied.join(', ')}`);
  await database.close();
  await dataDir?.release();
}

async function bootstrapCommand(config: Config, adminEmail: string | undefined): Promise<void> {
  const storage = await openCurrentStorage(config);
  const app = await openApp(config, createLogger('silent'), storage);
  // Printed before the commit: secrets that were not printed are never valid.
  const secrets = await bootstrapApp(app, adminEmail ?? config.ADMIN_EMAIL, async (made) => {
    await storage.dataDir?.writeBootstrap(made);
    await print(`${JSON.stringify(made, null, 2)}\n`);
  });
  await closeApp(app);
  if (secrets === undefined)
    throw new Error('this database has its administrator already; nothing has been changed');
}

/** Resolves once standard output is flushed. Errors: when it cannot be written. */
function print(text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.once('error', reject);
  process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  return promise;
}
