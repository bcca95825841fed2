// The commands of operators, as the command line offers them. Each may run beside a service on Postgres; embedded, while it is stopped.

import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config.ts';
import type { AuditExportOptions } from './audit-export.ts';
import { auditExport } from './audit-export.ts';
import { readHead, verifyAudit } from './audit-verify.ts';
import type { CleanupOptions } from './cleanup.ts';
import { cleanup } from './cleanup.ts';
import { grant } from './grant.ts';
import type { ImportOptions } from './import-command.ts';
import { importCommand, SYSTEMS } from './import-command.ts';
import type { RotateOptions } from './keys.ts';
import { listKeys, rotateKeys } from './keys.ts';
import { rotateMasterKeyCommand } from './master-key.ts';
import { DEFAULT_ROLE } from '../domain/account/register.ts';
import { grantSuperAdminCommand, unlockUserCommand } from './user.ts';
import type { UserCreateOptions } from './user-create.ts';
import { createUserCommand } from './user-create.ts';

/** Reads the configuration, runs the command, and turns what it throws into a line and an exit code. */
export type RunCommand = (command: (config: Config) => Promise<void>) => Promise<void>;

/** Adds the commands to `program`. */
export function addOperatorCommands(program: Command, run: RunCommand): void {
  addUserCommands(program, run);
  addImportCommand(program, run);
  addAuditCommands(program, run);
  addKeyCommands(program, run);
  addDatabaseCommands(program, run);
}

function addUserCommands(program: Command, run: RunCommand): void {
  const user = program.command('user').description('manage accounts with access to the database');
  user
    .command('create')
    .description('open an account, and print a link by which its owner chooses a password')
    .argument('<email>', 'its e-mail address')
    .option('--username <name>', 'a user name')
    .option('--full-name <name>', "its owner's name (default: the address)")
    .option('--role <role>', 'its role; super_admin is granted afterwards', DEFAULT_ROLE)
    .option('--generate-password', 'make and print a password in place of the link')
    .option('--email-verified', 'take the address for proved')
    .action((email: string, options: UserCreateOptions) =>
      run((config) => createUserCommand(config, email, options)),
    );
  user
    .command('unlock')
    .description("delete an account's failed logins, and lift the locks that they brought")
    .argument('<email-or-id>', "the account's e-mail address or id")
    .action((emailOrId: string) => run((config) => unlockUserCommand(config, emailOrId)));
  user
    .command('grant-super-admin')
    .description('make an account a super_admin; the service may be running, unless it is embedded')
    .argument('<email-or-id>', "the account's e-mail address or id")
    .action((emailOrId: string) => run((config) => grantSuperAdminCommand(config, emailOrId)));
}

function addImportCommand(program: Command, run: RunCommand): void {
  program
    .command('import')
    .description(
      'import accounts with their password hashes from a file of JSON lines (see docs/importing.md)',
    )
    .argument('<file>', 'the file, or - for standard input')
    .addOption(new Option('--from <system>', 'whose export it is').choices(SYSTEMS).default('latchkey'))
    .option('--dry-run', 'report what would happen, and store nothing')
    .option('--batch <number>', 'accounts in one transaction, 1 to 1000', wholeNumber, 1_000)
    .option('--firebase-hash-config <file>', "the project's password hash parameters, for --from firebase")
    .option('--errors <file>', 'where the refused lines are written (default: <file>.errors.ndjson)')
    .option(
      '--map <file>',
      'where to write the id of each account there and here, also of those imported before',
    )
    .addOption(
      new Option('--progress <when>', 'show how it goes on')
        .choices(['auto', 'always', 'never'])
        .default('auto'),
    )
    .option('--no-progress', 'show nothing while it runs')
    .action((file: string, options: ImportOptions) =>
      run(async (config) => {
        process.exitCode = await importCommand(config, file, options);
      }),
    );
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number.');
}

function addAuditCommands(program: Command, run: RunCommand): void {
  const audit = program.command('audit').description('the audit log');
  audit
    .command('verify')
    .description(
      'check that nothing in the audit log was altered, deleted or put in; exits 1 when something was',
    )
    .option(
      '--expect <head>',
      'the head that an earlier run printed: shows that the log was not made anew or cut off',
    )
    .action((options: { expect?: string }) =>
      run(async (config) => {
        const expected = options.expect === undefined ? undefined : readHead(options.expect);
        if (!(await verifyAudit(config, expected))) process.exitCode = 1;
      }),
    );
  audit
    .command('export')
    .description('write the audit log as lines of JSON, oldest first; embedded, while the service is stopped')
    .option('--from <time>', 'from this time or day (UTC) on, RFC 3339')
    .option('--to <time>', 'before this time or day (UTC); now by default')
    .option('--kind <kind...>', 'only kinds like session.login, or concepts like session.*')
    .option(
      '--output <file>',
      'into this file, which is there only when it is whole; else to standard output',
    )
    .action((options: AuditExportOptions) => run((config) => auditExport(config, options)));
}

function addKeyCommands(program: Command, run: RunCommand): void {
  const keys = program
    .command('keys')
    .description('signing keys: on Postgres while nodes run, embedded while the service is stopped');
  keys
    .command('list')
    .description('the keys that sign and verify access tokens, newest first')
    .action(() => run(listKeys));
  keys
    .command('rotate')
    .description('publish the next signing key; it signs ten minutes later')
    .option('--immediately', 'sign by it as soon as every node has read it')
    .option(
      '--retire-others',
      'with --immediately: sign at once, and refuse whatever the other keys have signed',
    )
    .action((options: RotateOptions) => run((config) => rotateKeys(config, options)));
  program
    .command('master-key')
    .description('the key that everything else is sealed by')
    .command('rotate')
    .description('seal everything anew: by LATCHKEY_MASTER_KEY, or embedded by a new key')
    .action(() => run(rotateMasterKeyCommand));
}

function addDatabaseCommands(program: Command, run: RunCommand): void {
  program
    .command('grant')
    .description(
      'let a database role run the service, and keep it from changing the audit log; run by the owner',
    )
    .argument('<role>', 'the role, as docs/operations/database-roles.md sets it up')
    .action((role: string) => run((config) => grant(config, role)));
  program
    .command('cleanup')
    .description(
      'delete now what has ended long ago, as the service does bit by bit; may run while it serves',
    )
    .option('--dry-run', 'count what would go, and change nothing', false)
    .action((options: CleanupOptions) => run((config) => cleanup(config, options)));
}
