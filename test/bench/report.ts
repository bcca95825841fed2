// How benchmarks report what they measured: a table for people, one JSON object a line for programs.

/** One metric. `goal` is a bound like `≥ 0.80`, empty where there is none; `note` says what keeps the value from being sound. */
export type Metric = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: string;
  readonly note?: string;
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

/** Prints the metrics. */
export function print(metrics: readonly Metric[], asJson: boolean): void {
  for (const metric of metrics) {
    const value = Number(metric.value.toPrecision(4));
    if (asJson) console.log(JSON.stringify({ ...metric, value }));
    else console.log(tableRow(metric, value));
  }
}

function tableRow({ name, unit, goal, note }: Metric, value: number): string {
  const row = `${name.padEnd(36)}${String(value).padStart(10)} ${unit.padEnd(14)}${goal.padEnd(8)}`;
  return note === undefined ? row.trimEnd() : `${row}${note}`;
}
