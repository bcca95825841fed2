// How benchmarks tell what they measured: a table for people, one JSON object a line for programs.

/** One figure. `goal` is a bound like `≥ 0.80`, empty where there is none. */
export type Figure = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: string;
};

/** The middle value; the mean of the two middle ones for an even number. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** The value below which `share` of the values lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Prints the figures. */
export function print(figures: readonly Figure[], asJson: boolean): void {
  for (const figure of figures) {
    const value = Number(figure.value.toPrecision(4));
    if (asJson) console.log(JSON.stringify({ ...figure, value }));
    else
      console.log(
        `${figure.name.padEnd(36)}${String(value).padStart(10)} ${figure.unit.padEnd(14)}${figure.goal}`,
      );
  }
}
