// Imports the lines of an export, batch by batch, and reports after each what the database keeps.

import { COMMAND_LINE } from '../../domain/access/authority.ts';
import type { DryRun } from '../../domain/user-import/dry-run.ts';
import type { ImportedUser } from '../../domain/user-import/imported-user.ts';
import type { ImportResult, ImportUsersDeps } from '../../domain/user-import/import-users.ts';
import { importUsers } from '../../domain/user-import/import-users.ts';
import { twoAtOnce } from '../../domain/user-import/two-at-once.ts';
import type { Line, Place } from './lines.ts';
import type { ReadUser } from './mapping.ts';
import type { RefusedLine } from './refusal-report.ts';

/** What became of a batch: everything up to `after` is kept, or refused. */
export type TakenBatch = {
  readonly after: Place;
  readonly created: number;
  readonly unchanged: number;
  readonly refused: readonly RefusedLine[];
  /** Those who are here, now or since an earlier import. */
  readonly ids: readonly IdPair[];
};

/** The id of an account in the other system, and the one here. */
export type IdPair = { readonly externalId: string; readonly userId: string };

export type ImportLinesInput = {
  readonly lines: AsyncIterable<Line>;
  readonly readUser: ReadUser;
  readonly batchSize: number;
  readonly dryRun: DryRun | undefined;
  /** Ends the import behind the batches under way. */
  readonly stop: AbortSignal;
};

const ORIGIN = { ipAddress: '', userAgent: 'latchkey import', requestId: '' };

type Batch = {
  readonly after: Place;
  readonly users: ReadonlyArray<{ readonly line: number; readonly user: ImportedUser }>;
  readonly faults: readonly RefusedLine[];
};

/** Takes the lines in order. Errors: those of `lines`, STORAGE_UNAVAILABLE, CONFLICT; what was yielded before is kept. */
export function importLines(
  deps: ImportUsersDeps,
  { lines, readUser, batchSize, dryRun, stop }: ImportLinesInput,
): AsyncGenerator<TakenBatch> {
  const take = async (batch: Batch): Promise<TakenBatch> => {
    const users = batch.users.map(({ user }) => user);
    const input = { actor: COMMAND_LINE, users, dryRun, origin: ORIGIN };
    return summaryOf(batch, users.length === 0 ? [] : await importUsers(deps, input));
  };
  const usersOf = (batch: Batch) => batch.users.map(({ user }) => user);
  return twoAtOnce(batchesOf(lines, readUser, batchSize, stop), usersOf, take);
}

async function* batchesOf(
  lines: AsyncIterable<Line>,
  readUser: ReadUser,
  size: number,
  stop: AbortSignal,
): AsyncGenerator<Batch> {
  let users: Array<{ line: number; user: ImportedUser }> = [];
  let faults: RefusedLine[] = [];
  let after: Place | undefined;
  for await (const line of lines) {
    if (stop.aborted) return;
    const read = readLine(line, readUser);
    if ('user' in read) users.push({ line: line.after.line, user: read.user });
    else faults.push(read);
    after = line.after;
    if (users.length + faults.length < size) continue;
    yield { after, users, faults };
    [users, faults, after] = [[], [], undefined];
  }
  if (after !== undefined) yield { after, users, faults };
}

function readLine(line: Line, readUser: ReadUser): { readonly user: ImportedUser } | RefusedLine {
  const refuse = (violations: RefusedLine['violations'], externalId = ''): RefusedLine => ({
    line: line.after.line,
    externalId,
    reason: 'VALIDATION_FAILED',
    violations,
  });
  if ('fault' in line) return refuse([{ field: '', description: line.fault }]);
  const parsed = parse(line.text);
  if (parsed === undefined) return refuse([{ field: '', description: 'is not JSON' }]);
  const read = readUser(parsed.json);
  return 'user' in read ? read : refuse(read.violations, read.externalId);
}

function parse(text: string): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function summaryOf({ after, users, faults }: Batch, results: readonly ImportResult[]): TakenBatch {
  const refused = results.flatMap((result, index): RefusedLine[] => {
    if (result.outcome !== 'refused') return [];
    const { externalId, reason, violations } = result;
    return [{ line: users[index]?.line ?? 0, externalId, reason, violations }];
  });
  const count = (outcome: ImportResult['outcome']) =>
    results.filter((result) => result.outcome === outcome).length;
  return {
    after,
    created: count('created'),
    unchanged: count('unchanged'),
    ids: results.flatMap((result) =>
      result.outcome === 'refused' || result.userId === undefined
        ? []
        : [{ externalId: result.externalId, userId: result.userId }],
    ),
    refused: [...faults, ...refused].toSorted((left, right) => left.line - right.line),
  };
}
