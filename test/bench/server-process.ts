// The server under load, in a process of its own so that its CPU time is its own: a whole latchkey node, and beside it what it is compared
// with. Speaks to its parent by messages.

import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { hash } from 'argon2';
import { Pool } from 'pg';
import { z } from 'zod';
import { totalOf } from '../../src/jobs/cleanup.ts';
import { ROTATE } from '../../src/storage/postgres/session/session-rotation.ts';
import { GOOD_PASSWORD, startTestService } from '../support/service.ts';
import { inParallel } from './load.ts';
import { mintTokens } from './mint-tokens.ts';
import { prepareLogins } from './sessions/login-replay.ts';

/** What the parent may ask. */
export type Question =
  | { readonly ask: 'cpu' }
  /** The most memory that was resident since the last time that this was asked, in bytes. */
  | { readonly ask: 'peak-rss' }
  /** One run of the cleanup job; how many rows it took away. */
  | { readonly ask: 'clean' }
  /** Logins without their hash, or their statements alone. */
  | {
      readonly ask: 'logins';
      readonly total: number;
      readonly concurrency: number;
      readonly isBare: boolean;
    }
  /** What is alive on the heap and in buffers, after a garbage collection, in bytes. */
  | { readonly ask: 'live-bytes' }
  /** What the cache of tokens takes by its own account, in bytes. */
  | { readonly ask: 'token-cache' }
  /** Writes so many access tokens into a file, one a line, for so many people with a session each; how many. */
  | { readonly ask: 'mint'; readonly tokens: number; readonly people: number; readonly file: string }
  | { readonly ask: 'hash'; readonly total: number; readonly concurrency: number }
  | {
      readonly ask: 'statements';
      readonly sessionIds: readonly string[];
      readonly concurrency: number;
      readonly isPrepared: boolean;
    };

/** CPU microseconds so far, bytes, rows, or the seconds that the work took. */
export type Answer = { readonly value: number };

const variables = z.record(z.string(), z.string()).parse(JSON.parse(process.argv[2] ?? '{}'));
const service = await startTestService({ variables });
let logins: ReturnType<typeof prepareLogins> | undefined;
const pool =
  variables['DATABASE_URL'] === undefined
    ? undefined
    : new Pool({ connectionString: variables['DATABASE_URL'], max: 20 });

process.on('message', (question: Question) => {
  void answer(question).then((value) => process.send?.({ value } satisfies Answer));
});
// The parent is gone, or has what it wanted.
process.on('disconnect', () => process.exit(0));
process.send?.({
  grpc: service.grpcAddress,
  gatewayKey: service.secrets?.gatewayApiKey ?? '',
});

async function answer(question: Question): Promise<number> {
  if (question.ask === 'cpu') {
    const { user, system } = process.cpuUsage();
    return user + system;
  }
  if (question.ask === 'peak-rss') return peakRss();
  if (question.ask === 'live-bytes') return liveBytes();
  if (question.ask === 'token-cache') return service.app.cachedTokens.usage.bytes;
  if (question.ask === 'mint') return mintTokens(service, question);
  if (question.ask === 'clean') return totalOf((await service.app.cleaner.run()).counts);
  if (question.ask === 'hash') {
    const {
      ARGON2_MEMORY_KIB: memoryCost,
      ARGON2_PASSES: timeCost,
      ARGON2_LANES: parallelism,
    } = service.app.config;
    return inParallel(question.total, question.concurrency, async () => {
      await hash(GOOD_PASSWORD, { memoryCost, timeCost, parallelism });
    });
  }
  if (question.ask === 'logins') {
    logins ??= prepareLogins(service, variables['DATABASE_URL'] ?? '');
    const { ours, bare } = await logins;
    return (question.isBare ? bare : ours)(question.total, question.concurrency);
  }
  return bareRefreshes(question);
}

// VmHWM of proc(5), which writing 5 to clear_refs sets back to what is resident now.
function peakRss(): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  writeFileSync('/proc/self/clear_refs', '5');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

function liveBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc()');
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

type BareSession = { readonly id: string; readonly generation: number; readonly salt: Buffer };

async function bareRefreshes(question: Extract<Question, { ask: 'statements' }>): Promise<number> {
  const { sessionIds, concurrency, isPrepared } = question;
  const found = await pool?.query<BareSession>(
    'select id, generation, salt from sessions where id = any($1)',
    [sessionIds],
  );
  const sessions = found?.rows ?? [];
  return inParallel(sessions.length, concurrency, (index) => bareRefresh(sessions[index], isPrepared));
}

// The statement of a refresh that comes alone; by name, the server parses and plans it once on a connection, as it does for ours.
async function bareRefresh(session: BareSession | undefined, isPrepared: boolean): Promise<void> {
  const now = Date.now();
  const { name, text } = ROTATE;
  const values = [
    session?.id,
    session?.generation,
    session?.salt,
    now,
    now + 86_400_000,
    '127.0.0.1',
    'bench',
  ];
  const updated = await pool?.query(isPrepared ? { name, text, values } : { text, values });
  if (updated?.rowCount !== 1) throw new Error('the bare refresh moved no session');
}
