// Seals audit events soon after they were written, on whichever node comes first.

import type { LostEvent, SealEventsDeps, SealingQueue } from '../domain/audit/seal-events.ts';
import { BATCH_EVENTS, sealEvents } from '../domain/audit/seal-events.ts';

export type AuditSealerDeps = SealEventsDeps & {
  readonly sealingQueue: SealingQueue;
  /** Called with events that vanished between their writing and their sealing. */
  readonly onLost: (lost: readonly LostEvent[]) => void;
};

/** How often a node looks whether anything waits, in milliseconds. */
export const SEALING_INTERVAL_MS = 500;
/** How long a run may go on; what is left waits for the next. */
const RUN_MS = 2_000;

/** The sealer of one node. Any number of nodes may have one: no two work at the same moment. */
export class AuditSealer {
  readonly #deps: AuditSealerDeps;

  constructor(deps: AuditSealerDeps) {
    this.#deps = deps;
  }

  /** Seals batch after batch until nothing waits, the time is used up, or another node is found at it. Errors: the first failure's. */
  async run(stopping?: AbortSignal): Promise<void> {
    if (await this.#deps.sealingQueue.isEmpty()) return;
    const start = performance.now();
    const hasTime = () => stopping?.aborted !== true && performance.now() - start < RUN_MS;
    while (hasTime()) {
      const batch = await sealEvents(this.#deps);
      if (batch === undefined) return;
      if (batch.lost.length > 0) this.#deps.onLost(batch.lost);
      if (batch.sealed + batch.lost.length < BATCH_EVENTS) return;
    }
  }
}
