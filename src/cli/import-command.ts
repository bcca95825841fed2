// `latchkey import`: accounts of another system from a file of NDJSON into the database of this configuration.

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
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
import type { IdPair, TakenBatch } from './import/import-lines.ts';
import { importLines } from './import/import-lines.ts';
import { readInput, sizeOf } from './import/input.ts';
import { LineFile } from './import/line-file.ts';
import { linesOf, ndjsonOf, NotNdjsonError } from './import/lines.ts';
import type { ReadUser } from './import/mapping.ts';
import type { ProgressMode } from './import/progress.ts';
import { showProgress } from './import/progress.ts';
import { reportLine } from './import/refusal-report.ts';
import { openForCommand } from './open-for-command.ts';

/** The systems whose exports are read. */
export const SYSTEMS = ['latchkey', 'keycloak', 'auth0', 'firebase', 'supabase'] as const;

export type ImportOptions = {
  readonly from: (typeof SYSTEMS)[number];
  readonly dryRun?: boolean;
  readonly batch: number;
  readonly firebaseHashConfig?: string;
  readonly errors?: string;
  readonly map?: string;
  /** False for --no-progress. */
  readonly progress: ProgressMode | false;
};

/** The exit codes: everything came in; it could not go on, or was stopped; some lines were refused. */
const EXIT = { done: 0, failed: 1, refused: 2 } as const;

/** Imports `file`, or standard input for `-`, and resolves to the exit code. Errors: ConfigError, those of reading, STORAGE_UNAVAILABLE. */
export async function importCommand(config: Config, file: string, options: ImportOptions): Promise<number> {
  if (options.batch < 1 || options.batch > MAX_BATCH) throw new Error(`--batch must be 1 to ${MAX_BATCH}`);
  requireApart(file, options);
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
    return report(run, state, isWhole);
  } finally {
    process.off('SIGINT', onSigint);
    await closeApp(app);
  }
}

// Each of them is written anew: none may be the input, or another.
function requireApart(file: string, options: ImportOptions): void {
  const paths = [file, reportPath(file, options), ...(options.map === undefined ? [] : [options.map])];
  const places = new Set(paths.map((path) => resolve(path)));
  if (places.size < paths.length)
    throw new Error('--errors and --map: each must be another file, and not the input');
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
  let state = beginningWith(await checkpoint?.load(), options);
  if (state.line > 0) console.error(`latchkey: going on behind line ${state.line}`);
  const report = new LineFile(reportPath(file, options));
  await report.begin(state.errorsLength);
  const map = options.map === undefined ? undefined : new LineFile(options.map);
  await map?.begin(state.mapLength ?? 0);
  const progress = showProgress(options.progress === false ? 'never' : options.progress, total, state.offset);
  const before = state;
  try {
    const read = linesOf(readInput(file, state.offset, stop), state);
    const lines = state.offset === 0 ? ndjsonOf(read, file) : read;
    for await (const batch of importLines(deps, {
      lines,
      readUser,
      batchSize: options.batch,
      dryRun,
      stop,
    })) {
      const { refused, ids } = batch;
      const errorsLength =
        refused.length === 0 ? state.errorsLength : await report.add(refused.map(reportLine));
      const mapLength = ids.length === 0 ? state.mapLength : await map?.add(ids.map(mapLine));
      state = { ...countedWith(state, batch), errorsLength, mapLength };
      await checkpoint?.save(state);
      progress.update({ users: countOf(state) - countOf(before), offset: state.offset });
    }
  } catch (error) {
    if (error instanceof NotNdjsonError) throw error;
    const again = checkpoint === undefined ? 'import it again' : 'run the same command again to go on';
    console.error(`latchkey: stopped behind line ${state.line}, up to which all is kept; ${again}`);
    throw error;
  } finally {
    progress.stop();
  }
  if (!stop.aborted) await checkpoint?.remove();
  return { state, isWhole: !stop.aborted };
}

// What came in before a map was asked for is looked up again: accounts that exist already are left as they are, and written to the map.
function beginningWith(saved: ImportState | undefined, { map }: ImportOptions): ImportState {
  const begun = saved ?? BEGINNING;
  const isMapped = map === undefined || begun.mapLength !== undefined;
  return isMapped ? begun : { ...BEGINNING, mapLength: 0 };
}

function mapLine({ externalId, userId }: IdPair): unknown {
  return { external_id: externalId, user_id: userId };
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

function report({ file, total, options }: ImportRun, state: ImportState, isWhole: boolean): number {
  const { created, unchanged, refused, line } = state;
  const what = options.dryRun === true ? 'would be created' : 'created';
  console.log(`${created} ${what}, ${unchanged} unchanged, ${refused} refused`);
  if (options.map !== undefined) console.log(`The map of old and new ids: ${options.map}`);
  if (refused > 0) console.log(`The refused lines and why: ${reportPath(file, options)}`);
  if (!isWhole) {
    const howOn = total === undefined ? 'Import the same again' : 'Run the same command again to go on';
    console.log(`Stopped behind line ${line}. ${howOn}: what has come in stays as it is.`);
    return EXIT.failed;
  }
  return refused > 0 ? EXIT.refused : EXIT.done;
}
