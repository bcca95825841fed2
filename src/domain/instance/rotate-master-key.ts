// Seals everything anew by the master key that seals now, so that the one before can be thrown away.

import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { Transact } from '../transactions.ts';
import type { InstanceStore } from './instance-store.ts';
import { MASTER_KEY_CHECK, MASTER_KEY_NEXT } from './instance-store.ts';
import type { Resealer, SealedKind, SealedValueStore } from './sealed-values.ts';
import { SEALED_KINDS } from './sealed-values.ts';

type RotateStores = {
  readonly instance: Pick<InstanceStore, 'listFacts' | 'replaceFact' | 'removeFact'>;
  readonly audit: AuditLog;
};

export type RotateMasterKeyDeps = Stamp & {
  readonly sealedValues: SealedValueStore;
  readonly resealer: Resealer;
  readonly transact: Transact<RotateStores>;
  /** Called after each batch with how many values have been looked at. */
  readonly onProgress: (done: number, total: number) => void;
};

/** How many values of a kind there are, and how many were sealed anew by this run. */
export type ResealCounts = Readonly<
  Record<SealedKind, { readonly total: number; readonly resealed: number }>
>;

/** What a run came to. */
export type MasterKeyRotation = {
  readonly counts: ResealCounts;
  /** Whether this run made the key the current one of the database. */
  readonly hasChangedKey: boolean;
};

/** Values that no master key opens, or that a node goes on sealing by another: the other key must not be thrown away. */
export class ResealError extends Error {
  override readonly name = 'ResealError';
}

/** A batch is over in milliseconds, and what it has sealed stays so, whatever becomes of this process. */
export const RESEAL_BATCH = 200;
/** What nodes changed during one pass, the next one sees. */
const MAX_PASSES = 5;
const MAX_NAMED = 10;

/**
 * Re-seals what another key has sealed, looks again until nothing of it is left, and then makes this key the one that the database is known
 * by. It may be killed at any point and run again, also by several at once, while nodes run. Errors: ResealError, CONFLICT,
 * STORAGE_UNAVAILABLE.
 */
export async function rotateMasterKey(
  deps: RotateMasterKeyDeps,
  origin: CallOrigin,
): Promise<MasterKeyRotation> {
  const pass = new Pass(deps);
  const first = await pass.run();
  let last = first;
  for (let passes = 1; last.found > 0; passes += 1) {
    if (last.unopened.length > 0) throw cannotOpen(last.unopened);
    if (passes === MAX_PASSES)
      throw new ResealError(
        'some node goes on sealing by the other master key: let every node seal by this one first',
      );
    last = await pass.run();
  }
  const hasChangedKey = await deps.transact((stores) => markCurrent(deps, stores, pass.counts, origin));
  return { counts: pass.counts, hasChangedKey };
}

type PassResult = { readonly found: number; readonly unopened: readonly string[] };

/** Walks over everything, any number of times. */
class Pass {
  readonly #deps: RotateMasterKeyDeps;
  readonly #resealed = new Map<SealedKind, number>();
  readonly #totals = new Map<SealedKind, number>();

  constructor(deps: RotateMasterKeyDeps) {
    this.#deps = deps;
  }

  get counts(): ResealCounts {
    const of = (kind: SealedKind) => ({
      total: this.#totals.get(kind) ?? 0,
      resealed: this.#resealed.get(kind) ?? 0,
    });
    return {
      totp_secrets: of('totp_secrets'),
      signing_keys: of('signing_keys'),
      instance_secrets: of('instance_secrets'),
    };
  }

  /** One walk. `found` counts what another key had sealed, `unopened` names what no key opens. */
  async run(): Promise<PassResult> {
    let total = 0;
    for (const kind of SEALED_KINDS) total += await this.#deps.sealedValues.count(kind);
    let [done, found] = [0, 0];
    const unopened: string[] = [];
    for (const kind of SEALED_KINDS) {
      let seen = 0;
      for await (const batch of this.#batches(kind)) {
        const stale = batch.filter(({ sealed }) => !this.#deps.resealer.isCurrent(sealed));
        found += stale.length;
        unopened.push(...(await this.#reseal(kind, stale)));
        seen += batch.length;
        done += batch.length;
        this.#deps.onProgress(done, Math.max(total, done));
      }
      this.#totals.set(kind, seen);
    }
    return { found, unopened };
  }

  async *#batches(kind: SealedKind) {
    let after: string | undefined;
    for (;;) {
      const batch = await this.#deps.sealedValues.list(kind, after, RESEAL_BATCH);
      if (batch.length > 0) yield batch;
      if (batch.length < RESEAL_BATCH) return;
      after = batch.at(-1)?.id;
    }
  }

  /** The names of those that no key opens. */
  async #reseal(
    kind: SealedKind,
    stale: ReadonlyArray<{ readonly id: string; readonly sealed: Uint8Array }>,
  ): Promise<readonly string[]> {
    const { resealer, sealedValues } = this.#deps;
    const tried = stale.map((value) => ({ ...value, resealed: resealer.reseal(kind, value) }));
    const opened = tried.flatMap(({ resealed, ...value }) =>
      resealed === undefined ? [] : [{ ...value, resealed }],
    );
    if (opened.length > 0) {
      const replaced = await sealedValues.replace(kind, opened);
      this.#resealed.set(kind, (this.#resealed.get(kind) ?? 0) + replaced);
    }
    return tried.filter(({ resealed }) => resealed === undefined).map(({ id }) => `${kind} ${id}`);
  }
}

async function markCurrent(
  deps: RotateMasterKeyDeps,
  { instance, audit }: RotateStores,
  counts: ResealCounts,
  origin: CallOrigin,
): Promise<boolean> {
  const facts = await instance.listFacts();
  const next = facts.get(MASTER_KEY_NEXT);
  if (next !== undefined) await instance.removeFact(MASTER_KEY_NEXT, next);
  const check = facts.get(MASTER_KEY_CHECK) ?? '';
  if (deps.resealer.isCurrentMark(check)) return false;
  if (!(await instance.replaceFact(MASTER_KEY_CHECK, check, deps.resealer.newMark()))) return false;
  const details = Object.fromEntries(
    SEALED_KINDS.map((kind) => [kind, `${counts[kind].resealed} of ${counts[kind].total}`]),
  );
  await audit.append(auditEvent(deps, { kind: 'master_key.rotate', outcome: 'success', origin, details }));
  return true;
}

function cannotOpen(unopened: readonly string[]): ResealError {
  const named = unopened.slice(0, MAX_NAMED).join(', ');
  const rest = unopened.length > MAX_NAMED ? ` and ${unopened.length - MAX_NAMED} more` : '';
  return new ResealError(`sealed by a master key that is not here: ${named}${rest}`);
}
