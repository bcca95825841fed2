// Keeps the revocation index of this node up to date: snapshot, channel, and a poll of the database that repairs what the channel missed.

import type { RoleDirectory, RoleStore } from '../domain/access/role.ts';
import type { ClockSkew } from '../domain/clock-skew.ts';
import type { Clock } from '../domain/clock.ts';
import { Republisher } from '../domain/revocation/republisher.ts';
import type { RevocationChannel } from '../domain/revocation/revocation-channel.ts';
import type { RevocationIndex } from '../domain/revocation/revocation-index.ts';
import type {
  RevocationCursor,
  RevocationPage,
  RevocationPosition,
  RevocationStore,
} from '../domain/revocation/revocation-store.ts';
import type { Revocation } from '../domain/revocation/revocation.ts';

export type RevocationFeedDeps = {
  readonly revocations: Pick<RevocationStore, 'snapshot' | 'since'>;
  readonly revocationChannel: Pick<RevocationChannel, 'subscribe' | 'publish' | 'reachesOthers'>;
  readonly revocationIndex: RevocationIndex;
  readonly roles: RoleStore;
  readonly roleDirectory: RoleDirectory;
  readonly clock: Clock;
  /** Monotonic milliseconds. */
  readonly stopwatch: () => number;
  readonly clockSkew: Pick<ClockSkew, 'note'>;
  readonly databaseOutageGraceMs: number;
};

/** How often the database is asked. */
export const POLL_INTERVAL_MS = 1_000;

/** The feed of one node. `start` first; then `poll` every POLL_INTERVAL_MS. */
export class RevocationFeed {
  readonly #deps: RevocationFeedDeps;
  readonly #republisher: Republisher;
  #cursor: RevocationCursor | undefined;
  #databaseAnswered = false;
  /** How many gaps the channel has reported, and how many of them a later look at the database has closed. */
  #gaps = 0;
  #closedGaps = 0;

  constructor(deps: RevocationFeedDeps) {
    this.#deps = deps;
    const { revocationChannel, stopwatch, databaseOutageGraceMs: windowMs } = deps;
    this.#republisher = new Republisher({ revocationChannel, stopwatch, random: Math.random, windowMs });
  }

  /** Listens to the channel, then takes the snapshot, so that nothing falls between the two. Errors: STORAGE_UNAVAILABLE. */
  async start(): Promise<void> {
    await this.#deps.revocationChannel.subscribe({
      onRevocations: (revocations) => this.#hear(revocations),
      onAlive: (ageMs) => this.#noteAlive(ageMs),
      onGap: () => (this.#gaps += 1),
    });
    await this.poll();
  }

  /** Whether the database answered the last poll. */
  get databaseAnswered(): boolean {
    return this.#databaseAnswered;
  }

  /** Reads what is new in the database (everything, the first time), and the roles. Errors: STORAGE_UNAVAILABLE; all is read again then. */
  async poll(): Promise<void> {
    try {
      await this.#read();
      this.#databaseAnswered = true;
    } catch (error) {
      this.#databaseAnswered = false;
      throw error;
    }
    await this.#republisher.run();
  }

  #hear(revocations: readonly Revocation[]): void {
    this.#deps.revocationIndex.apply(revocations);
    this.#republisher.noteSeen(revocations);
  }

  // Before the snapshot, and after a gap until the database was read, the channel proves nothing.
  #noteAlive(ageMs: number): void {
    if (this.#cursor === undefined || this.#closedGaps < this.#gaps) return;
    this.#deps.revocationIndex.markHeard(this.#deps.clock.now() - ageMs);
  }

  async #read(): Promise<void> {
    const { roles, roleDirectory, clock, revocationIndex } = this.#deps;
    const askedAt = clock.now();
    const gaps = this.#gaps;
    const rolesRead = roleDirectory.beginRead();
    const [{ cursor, databaseTime }, stored] = await Promise.all([this.#readAll(askedAt), roles.list()]);
    this.#cursor = cursor;
    revocationIndex.markRead({ position: cursor, time: askedAt });
    revocationIndex.markFresh(askedAt);
    revocationIndex.prune(databaseTime);
    roleDirectory.replace(stored, rolesRead);
    this.#closedGaps = gaps;
  }

  /** Applies page after page, so that neither memory nor the event loop holds them all at once. Answers the first. */
  async #readAll(askedAt: number): Promise<RevocationPage> {
    const { clock, clockSkew } = this.#deps;
    const first = await this.#readPage(askedAt);
    clockSkew.note({ askedAt, databaseTime: first.databaseTime, answeredAt: clock.now() });
    this.#apply(first);
    for (let { next } = first; next !== undefined;) {
      const page = await this.#readPage(askedAt, next);
      this.#apply(page);
      ({ next } = page);
    }
    return first;
  }

  #readPage(askedAt: number, after?: RevocationPosition): Promise<RevocationPage> {
    const { revocations } = this.#deps;
    return this.#cursor === undefined
      ? revocations.snapshot(askedAt, after)
      : revocations.since(this.#cursor, after);
  }

  #apply({ revocations, databaseTime }: RevocationPage): void {
    this.#deps.revocationIndex.apply(revocations);
    if (this.#cursor !== undefined) this.#republisher.noteRead(revocations, databaseTime);
  }
}
