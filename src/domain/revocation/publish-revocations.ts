// After the commit: applies revocations on this node at once and publishes them to the others.

import type { Revocation } from './revocation.ts';
import type { RevocationChannel } from './revocation-channel.ts';
import type { RevocationIndex } from './revocation-index.ts';

export type PublishRevocationsDeps = {
  readonly revocationIndex: Pick<RevocationIndex, 'apply'>;
  readonly revocationChannel: Pick<RevocationChannel, 'publish'>;
  /** Called when the channel could not be reached: the other nodes then read them from the database within a second. */
  readonly onChannelFailure: (error: unknown) => void;
};

/** Applies committed revocations on this node and publishes them to the others. Never fails: the database holds them already. */
export async function publishRevocations(
  deps: PublishRevocationsDeps,
  revocations: readonly Revocation[],
): Promise<void> {
  if (revocations.length === 0) return;
  deps.revocationIndex.apply(revocations);
  try {
    await deps.revocationChannel.publish(revocations);
  } catch (error) {
    deps.onChannelFailure(error);
  }
}
