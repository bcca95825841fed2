// How far this node's clock is off the database's, which is every node's reference.

/** One look at the database's clock. Epoch milliseconds; `askedAt` and `answeredAt` by the node's clock. */
export type ClockReading = {
  readonly askedAt: number;
  readonly databaseTime: number;
  readonly answeredAt: number;
};

/** The newest measurement. */
export type SkewStatus = {
  /** Milliseconds that the node's clock is ahead of the database's; negative when it is behind; undefined before the first look. */
  readonly aheadMs: number | undefined;
  /** `aheadMs` may be wrong by so much: half of the time that the look took. */
  readonly uncertaintyMs: number;
  /** False when the clocks certainly disagree by more than the bound. */
  readonly isWithinBound: boolean;
};

export type ClockSkewDeps = {
  /** How far the clocks may be apart, in milliseconds. */
  readonly maxMs: number | 'off';
  /** Called when the bound is crossed, in either direction, and not on each look. */
  readonly onChange: (status: SkewStatus) => void;
};

/** Keeps the newest measurement of one node. */
export class ClockSkew {
  readonly #deps: ClockSkewDeps;
  #status: SkewStatus = { aheadMs: undefined, uncertaintyMs: 0, isWithinBound: true };

  constructor(deps: ClockSkewDeps) {
    this.#deps = deps;
  }

  get status(): SkewStatus {
    return this.#status;
  }

  /** A slow look proves little and raises no false alarm. One during which the node's clock was set back counts for nothing. */
  note({ askedAt, databaseTime, answeredAt }: ClockReading): void {
    if (answeredAt < askedAt) return;
    const uncertaintyMs = (answeredAt - askedAt) / 2;
    const aheadMs = askedAt + uncertaintyMs - databaseTime;
    const { maxMs } = this.#deps;
    const isWithinBound = maxMs === 'off' || Math.abs(aheadMs) - uncertaintyMs <= maxMs;
    const hasChanged = isWithinBound !== this.#status.isWithinBound;
    this.#status = { aheadMs, uncertaintyMs, isWithinBound };
    if (hasChanged) this.#deps.onChange(this.#status);
  }
}
