// Keeps the revocation index of this node up to date: snapshot, channel, and a poll of the database that repairs what the channel missed.

import type { RoleDirectory, RoleStore } from '../domain/access/role.ts';
import type { Clock } from '../domain/clock.ts';
import type { RevocationChannel } from '../domain/revocation/revocation-channel.ts';
import type { RevocationIndex } from '../domain/revocation/revocation-index.ts';
import type { RevocationCursor, RevocationStore } from '../domain/revocation/revocation-store.ts';

export type RevocationFeedDeps = {
  readonly revocations: Pick<RevocationStore, 'snapshot' | 'since'>;
  readonly revocationChannel: Pick<RevocationChannel, 'subscribe'>;
  readonly revocationIndex: RevocationIndex;
  readonly roles: RoleStore;
  readonly roleDirectory: RoleDirectory;
  readonly clock: Clock;
};

/** How often the database is asked. */
export const POLL_INTERVAL_MS = 1_000;

/** The feed of one node. `start` first; then `poll` every POLL_INTERVAL_MS. */
export class RevocationFeed {
  readonly #deps: RevocationFeedDeps;
  #cursor: RevocationCursor | undefined;
  #databaseAnswered = false;

  constructor(deps: RevocationFeedDeps) {
    this.#deps = deps;
  }

  /** Listens to the channel, then takes the snapshot, so that nothing falls between the two. Errors: STORAGE_UNAVAILABLE. */
  async start(): Promise<void> {
    const { revocationChannel, revocationIndex, clock } = this.#deps;
    await revocationChannel.subscribe({
      onRevocations: (revocations) => revocationIndex.apply(revocations),
      // Before the snapshot the channel alone proves nothing.
      onAlive: () => {
        if (this.#cursor !== undefined) revocationIndex.markFresh(clock.now());
      },
    });
    await this.poll();
  }

  /** Whether the database answered the last poll. */
  get databaseAnswered(): boolean {
    return this.#databaseAnswered;
  }

  /** Reads what is new in the database (everything, the first time), and the roles. Errors: STORAGE_UNAVAILABLE; then nothing changes. */
  async poll(): Promise<void> {
    try {
      await this.#read();
      this.#databaseAnswered = true;
    } catch (error) {
      this.#databaseAnswered = false;
      throw error;
    }
  }

  async #read(): Promise<void> {
    const { revocations, revocationIndex, roles, roleDirectory, clock } = this.#deps;
    const askedAt = clock.now();
    const rolesRead = roleDirectory.beginRead();
    const [page, stored] = await Promise.all([
      this.#cursor === undefined ? revocations.snapshot(askedAt) : revocations.since(this.#cursor),
      roles.list(),
    ]);
    revocationIndex.apply(page.revocations);
    roleDirectory.replace(stored, rolesRead);
    this.#cursor = page.cursor;
    revocationIndex.markRead({ position: page.cursor, time: askedAt });
    revocationIndex.markFresh(askedAt);
    revocationIndex.prune();
  }
}
