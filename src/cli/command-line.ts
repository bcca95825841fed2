// The command line. One clear line and a non-zero exit code for whatever keeps a command from its work.

import { existsSync } from 'node:fs';
import { loadEnvFile } from 'node:process';
import { Command } from 'commander';
import type { Config } from '../config.ts';
import { ConfigError, readConfig, unknownVariables } from '../config.ts';
import { THREADS_VARIABLE, threadsFor } from '../config/threads.ts';
import { WrongMasterKeyError } from '../crypto/keys/master-key-check.ts';
import { explain } from './explain.ts';

/** Runs the command that the arguments of this process name. Ends the process with 78 for a configuration that cannot be used, with 1 for any other error. */
export async function runCommandLine(): Promise<void> {
  const program = new Command('latchkey')
    .description('A gRPC identity service: accounts, sessions, tokens and their revocation.')
    .version('0.1.0')
    .showHelpAfterError()
    .addHelpText(
      'after',
      '\nEverything is configured by environment variables (LATCHKEY_…) or a .env file; docs/configuration.md lists them.',
    );
  addServiceCommands(program);
  // A service needs none of the others, and what they load would stay in its memory.
  if (process.argv[2] !== 'serve') {
    const { addOperatorCommands } = await import('./operator-commands.ts');
    addOperatorCommands(program, run);
  }
  await program.parseAsync();
}

function addServiceCommands(program: Command): void {
  program
    .command('serve')
    .description('run the service (embedded unless LATCHKEY_DATABASE_URL is set)')
    .action(() => run(async (config) => (await import('./serve.ts')).serve(config)));
  program
    .command('migrate')
    .description('bring the schema of the database up to date; may run while the previous version serves')
    .action(() => run(async (config) => (await import('./migrate.ts')).migrate(config)));
  program
    .command('bootstrap')
    .description('create the first administrator and a gateway API key, once; prints them as JSON')
    .option('--admin-email <address>', "the administrator's e-mail address")
    .action((options: { adminEmail?: string }) =>
      run(async (config) => (await import('./bootstrap.ts')).bootstrapCommand(config, options.adminEmail)),
    );
}

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
