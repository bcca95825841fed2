// `latchkey audit export`: the audit log as lines of JSON (NDJSON), into a file or to standard output.

import { open, rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Config } from '../config.ts';
import { ConfigError } from '../config.ts';
import { newId } from '../crypto/ids.ts';
import type { AuditFilter } from '../domain/audit/audit-filter.ts';
import { EVERY_EVENT, KIND_PATTERN, MAX_KINDS } from '../domain/audit/audit-filter.ts';
import type { NumberedEvent } from '../domain/audit/export-audit-events.ts';
import { exportAuditEvents } from '../domain/audit/export-audit-events.ts';
import { auditEvent } from '../domain/audit/record.ts';
import type { Clock } from '../domain/clock.ts';
import { rfc3339Time } from '../domain/written-time.ts';
import type { Stores } from '../storage/postgres/stores.ts';
import { withDatabase } from './open-database.ts';

/** The options as they were typed. */
export type AuditExportOptions = {
  readonly from?: string;
  readonly to?: string;
  readonly kind?: readonly string[];
  readonly output?: string;
};

// A page of an export may take longer than a call.
const STATEMENT_MS = 10 * 60_000;
const CLOCK: Clock = { now: () => Date.now() };
/** The command line has no address, no program and no request. */
const NOWHERE = { ipAddress: '', userAgent: '', requestId: '' };

const DAY = /^\d{4}-\d\d-\d\d$/;

/**
 * Writes the events of the period, oldest first, and an event of its own about it. Embedded, the service must be stopped. Errors: ConfigError,
 * also for an option that is wrong, the file system's, the driver's.
 */
export async function auditExport(config: Config, options: AuditExportOptions): Promise<void> {
  const filter = readFilter(options, CLOCK.now());
  const patient = { ...config, DATABASE_POOL_SIZE: 2, DATABASE_TIMEOUT: STATEMENT_MS };
  await withDatabase(patient, async (stores) => {
    const lines = new Lines(stores, filter);
    try {
      await write(lines, options.output);
    } finally {
      await note(stores, filter, lines);
    }
    if (options.output !== undefined) console.log(`${lines.count} events in ${options.output}`);
  });
}

function readFilter({ from, to, kind: kinds = [] }: AuditExportOptions, now: number): AuditFilter {
  const startTime = readTime('--from', from);
  const endTime = readTime('--to', to) ?? now;
  if (startTime !== undefined && startTime >= endTime)
    throw new ConfigError('--from: must be before --to, which is now when it is not given');
  if (kinds.length > MAX_KINDS) throw new ConfigError(`--kind: at most ${MAX_KINDS} times`);
  const unknown = kinds.find((kind) => !KIND_PATTERN.test(kind));
  if (unknown === undefined) return { ...EVERY_EVENT, startTime, endTime, kinds: [...new Set(kinds)] };
  throw new ConfigError(
    `--kind: must be a kind like session.login, or a concept like session.*, which ${JSON.stringify(unknown)} is not`,
  );
}

function readTime(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = rfc3339Time(DAY.test(text) ? `${text}T00:00:00Z` : text);
  if (time !== undefined) return time;
  throw new ConfigError(
    `${option}: must be a time like 2026-11-21T08:00:00Z, or a day like 2026-11-21, which ${JSON.stringify(text)} is not`,
  );
}

/** The lines of the events, a page of them at a time, and how many events have been read. */
class Lines {
  count = 0;
  isWhole = false;
  readonly #stores: Stores;
  readonly #filter: AuditFilter;

  constructor(stores: Stores, filter: AuditFilter) {
    this.#stores = stores;
    this.#filter = filter;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for await (const page of exportAuditEvents(this.#stores, this.#filter)) {
      this.count += page.length;
      if (page.length > 0) yield page.map((event) => `${JSON.stringify(lineOf(event))}\n`).join('');
    }
    this.isWhole = true;
  }
}

// Members without a value are left out by JSON.stringify.
function lineOf({ number, event }: NumberedEvent): object {
  return {
    number,
    id: event.id,
    time: new Date(event.time).toISOString(),
    kind: event.kind,
    outcome: event.outcome,
    reason: event.reason,
    actor: event.actorId,
    target: event.targetId,
    account: event.accountId,
    ip: event.origin.ipAddress,
    userAgent: event.origin.userAgent,
    requestId: event.origin.requestId,
    details: event.details,
  };
}

async function write(lines: Lines, output: string | undefined): Promise<void> {
  const stopping = new AbortController();
  const stop = () => stopping.abort(new Error('interrupted'));
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, stop);
  const { signal } = stopping;
  if (output === undefined) await pipeline(Readable.from(lines), process.stdout, { signal, end: false });
  else await writeWhole(lines, output, signal);
}

// Under a name of its own until it is whole and on the disk: a file with the final name is complete.
async function writeWhole(lines: Lines, output: string, signal: AbortSignal): Promise<void> {
  const draft = `${output}.${process.pid}.partial`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await pipeline(Readable.from(lines), file.createWriteStream({ flush: true }), { signal });
    await rename(draft, output);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

// Also of an export that broke off: what was read is read.
async function note({ audit }: Stores, filter: AuditFilter, { count, isWhole }: Lines): Promise<void> {
  const { startTime, endTime, kinds } = filter;
  const details = {
    ...(startTime === undefined ? {} : { from: new Date(startTime).toISOString() }),
    ...(endTime === undefined ? {} : { to: new Date(endTime).toISOString() }),
    ...(kinds.length === 0 ? {} : { kinds: kinds.join(' ') }),
    count: String(count),
    ...(isWhole ? {} : { broken_off: 'true' }),
  };
  const stamp = { clock: CLOCK, newId };
  await audit.append(
    auditEvent(stamp, { kind: 'audit.export', outcome: 'success', origin: NOWHERE, details }),
  );
}
