// After the commit: makes a revocation felt here at once and elsewhere in milliseconds.

import type { Revocation } from './revocation.ts';
import type { RevocationChannel } from './revocation-channel.ts';
import type { RevocationIndex } from './revocation-index.ts';

export type AnnounceDeps = {
  readonly revocationIndex: Pick<RevocationIndex, 'apply'>;
  readonly revocationChannel: Pick<RevocationChannel, 'publish'>;
  /** Told when the channel could not be reached: the other nodes then learn from the database, within a second. */
  readonly onChannelFailure: (error: unknown) => void;
};

/** Applies committed revocations to this node and tells the others. Never fails: the database holds them already. */
export async function announce(deps: AnnounceDeps, revocations: readonly Revocation[]): Promise<void> {
  if (revocations.length === 0) return;
  deps.revocationIndex.apply(revocations);
  try {
    await deps.revocationChannel.publish(revocations);
  } catch (error) {
    deps.onChannelFailure(error);
  }
}
