// Port: carries revocations from node to node in milliseconds. It may lose some: the database poll repairs that.

import type { Revocation } from './revocation.ts';

export type RevocationChannel = {
  /** Whether other nodes hear what is published, and are heard. */
  readonly reachesOthers: boolean;
  /** Sends to every node, this one included. Errors: any, when the channel is away; the caller goes on. */
  publish(revocations: readonly Revocation[]): Promise<void>;
  /**
   * Calls `onRevocations` for all that is published from now on. Calls `onAlive` whenever it is certain that everything has been handed over that
   * was on the channel `ageMs` milliseconds ago, and `onGap` when entries may have been lost unread: what `onAlive` says later holds only
   * beside a look at the database that began after that. Goes on by itself after faults, until `close`.
   */
  subscribe(listener: {
    onRevocations(revocations: readonly Revocation[]): void;
    onAlive(ageMs: number): void;
    onGap(): void;
  }): Promise<void>;
  close(): Promise<void>;
};
