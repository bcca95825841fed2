// The revocation channel of a single process: what Redis is to many.

import type { RevocationChannel } from '../../domain/revocation/revocation-channel.ts';
import type { Revocation } from '../../domain/revocation/revocation.ts';

const ALIVE_INTERVAL_MS = 1_000;

type Listener = Parameters<RevocationChannel['subscribe']>[0];

/**
 * Delivers before `publish` resolves, and never fails. With `isWhole` false other processes may revoke too: then it never says that it is
 * alive, as it does not hear them.
 */
export function memoryRevocationChannel(options = { isWhole: true }): RevocationChannel {
  const listeners = new Set<Listener>();
  const heartbeat = setInterval(() => {
    if (options.isWhole) for (const listener of listeners) listener.onAlive(0);
  }, ALIVE_INTERVAL_MS);
  heartbeat.unref();

  return {
    reachesOthers: false,
    async publish(revocations: readonly Revocation[]) {
      for (const listener of listeners) listener.onRevocations(revocations);
    },
    async subscribe(listener) {
      listeners.add(listener);
      if (options.isWhole) listener.onAlive(0);
    },
    async close() {
      clearInterval(heartbeat);
      listeners.clear();
    },
  };
}
