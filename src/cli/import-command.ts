// `latchkey import`: accounts of another system from a file of NDJSON into the database of this configuration.

import { readFile } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { closeApp } from '../app.ts';
import { MAX_BATCH } from '../domain/user-import/import-users.ts';
import { DryRun } from '../domain/user-import/dry-run.ts';
import type { ImportUsersDeps } from '../domain/user-import/import-users.ts';
import type { ImportState } from './import/checkpoint.ts';
import { BEGINNING, checkpointOf } from './import/checkpoint.ts';
import { fromAuth0 } from './import/from-auth0.ts';
import { fromFirebase, readHashConfig } from './import/from-firebase.ts';
import { fromKeycloak } from './import/from-keycloak.ts';
import { fromLatchkey } from './import/from-latchkey.ts';
import { fromSupabase } from './import/from-supabase.ts';
import type { TakenBatch } from './import/import-lines.ts';
import { importLines } from './import/import-lines.ts';
import { readInput, sizeOf } from './import/input.ts';
import { linesOf } from './import/lines.ts';
import type { ReadUser } from './import/mapping.ts';
import type { ProgressMode } from './import/progress.ts';
import { showProgress } from './import/progress.ts';
import { RefusalReport } from './import/refusal-report.ts';
import { openForCommand } from './open-for-command.ts';

/** The systems whose exports are read. */
export const SYSTEMS = ['latchkey', 'keycloak', 'auth0', 'firebase', 'supabase'] as const;

export type ImportOptions = {
  readonly from: (typeof SYSTEMS)[number];
  readonly dryRun?: boolean;
  readonly batch: number;
  readonly firebaseHashConfig?: string;
  readonly errors?: string;
  /** False for --no-progress. */
  readonly progress: ProgressMode | false;
};

/** The exit codes: everything came in; it could not go on, or was stopped; some lines were refused. */
const EXIT = { done: 0, failed: 1, refused: 2 } as const;

/** Imports `file`, or standard input for `-`, and resolves to the exit code. Errors: ConfigError, those of reading, STORAGE_UNAVAILABLE. */
export async function importCommand(config: Config, file: string, options: ImportOptions): Promise<number> {
  if (options.batch < 1 || options.batch > MAX_BATCH) throw new Error(`--batch must be 1 to ${MAX_BATCH}`);
  const readUser = await readerFor(options);
  const total = await sizeOf(file);
  const app = await openForCommand(config);
  const stopping = new AbortController();
  const onSigint = () => {
    console.error('latchkey: stopping behind the batches under way');
    stopping.abort();
  };
  process.once('SIGINT', onSigint);
  try {
    const run = { deps: app, file, total, readUser, options, stop: stopping.signal };
    const { state, isWhole } = await importFile(run);
    return tell(run, state, isWhole);
  } finally {
    process.off('SIGINT', onSigint);
    await closeApp(app);
  }
}

async function readerFor({ from, firebaseHashConfig }: ImportOptions): Promise<ReadUser> {
  if (from === 'firebase') {
    const given = firebaseHashConfig === undefined ? undefined : await readFile(firebaseHashConfig, 'utf8');
    return fromFirebase(given === undefined ? undefined : readHashConfig(given));
  }
  if (firebaseHashConfig !== undefined)
    throw new Error('--firebase-hash-config: goes with --from firebase alone');
  return { latchkey: fromLatchkey, keycloak: fromKeycloak, auth0: fromAuth0, supabase: fromSupabase }[from];
}

type ImportRun = {
  readonly deps: ImportUsersDeps;
  readonly file: string;
  readonly total: number | undefined;
  readonly readUser: ReadUser;
  readonly options: ImportOptions;
  readonly stop: AbortSignal;
};

async function importFile({ deps, file, total, readUser, options, stop }: ImportRun) {
  const dryRun = options.dryRun === true ? new DryRun() : undefined;
  const checkpoint =
    total === undefined || dryRun !== undefined ? undefined : checkpointOf(file, options.from);
  let state = (await checkpoint?.load()) ?? BEGINNING;
  if (state.line > 0) console.error(`latchkey: going on behind line ${state.line}`);
  const report = new RefusalReport(reportPath(file, options));
  await report.begin(state.errorsLength);
  const progress = showProgress(options.progress === false ? 'never' : options.progress, total, state.offset);
  const before = state;
  try {
    const lines = linesOf(readInput(file, state.offset, stop), state);
    for await (const batch of importLines(deps, {
      lines,
      readUser,
      batchSize: options.batch,
      dryRun,
      stop,
    })) {
      const errorsLength = batch.refused.length === 0 ? state.errorsLength : await report.add(batch.refused);
      state = { ...countedWith(state, batch), errorsLength };
      await checkpoint?.save(state);
      progress.update({ users: countOf(state) - countOf(before), offset: state.offset });
    }
  } catch (error) {
    const again = checkpoint === undefined ? 'import it again' : 'run the same command again to go on';
    console.error(`latchkey: stopped behind line ${state.line}, up to which all is kept; ${again}`);
    throw error;
  } finally {
    progress.stop();
  }
  if (!stop.aborted) await checkpoint?.remove();
  return { state, isWhole: !stop.aborted };
}

function countedWith(state: ImportState, { after, created, unchanged, refused }: TakenBatch): ImportState {
  return {
    ...state,
    ...after,
    created: state.created + created,
    unchanged: state.unchanged + unchanged,
    refused: state.refused + refused.length,
  };
}

function countOf({ created, unchanged, refused }: ImportState): number {
  return created + unchanged + refused;
}

function reportPath(file: string, { errors }: ImportOptions): string {
  return errors ?? (file === '-' ? 'stdin.errors.ndjson' : `${file}.errors.ndjson`);
}

function tell({ file, total, options }: ImportRun, state: ImportState, isWhole: boolean): number {
  const { created, unchanged, refused, line } = state;
  const what = options.dryRun === true ? 'would be created' : 'created';
  console.log(`${created} ${what}, ${unchanged} unchanged, ${refused} refused`);
  if (refused > 0) console.log(`The refused lines and why: ${reportPath(file, options)}`);
  if (!isWhole) {
    const howOn = total === undefined ? 'Import the same again' : 'Run the same command again to go on';
    console.log(`Stopped behind line ${line}. ${howOn}: what has come in stays as it is.`);
    return EXIT.failed;
  }
  return refused > 0 ? EXIT.refused : EXIT.done;
}
