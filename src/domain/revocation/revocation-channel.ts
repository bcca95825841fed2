// Port: carries revocations from node to node in milliseconds. It may lose some: the database poll repairs that.

import type { Revocation } from './revocation.ts';

export type RevocationChannel = {
  /** Sends to every node, this one included. Errors: any, when the channel is away; the caller goes on. */
  publish(revocations: readonly Revocation[]): Promise<void>;
  /**
   * Calls `onRevocations` for all that is published from now on, and `onAlive` whenever the channel has proved that it listens. Goes on by
   * itself after faults, until `close`.
   */
  subscribe(listener: {
    onRevocations(revocations: readonly Revocation[]): void;
    onAlive(): void;
  }): Promise<void>;
  close(): Promise<void>;
};
