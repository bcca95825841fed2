// Rounds of what is compared, in turn, once all of it is warm: until then V8 compiles what will run a third faster.

import { median } from './report.ts';

const LEAST_MS = 15_000;
const MOST_MS = 60_000;
// Rounds differ by this much anyway.
const NOISE = 1.03;

type Sides<Name extends string, Value> = Readonly<Record<Name, Value>>;

/**
 * Runs a round of each side in turn, `count` times, after each has run alone until it is steady: for 15 s at least, and until two rounds in
 * turn are no faster, beyond noise, than the fastest before them. `rateOf` says how fast a round was.
 */
export async function steadyRounds<Name extends string, Round>(
  count: number,
  sides: Sides<Name, () => Promise<Round>>,
  rateOf: (round: Round) => number,
): Promise<Sides<Name, readonly Round[]>> {
  for (const [name, run] of Object.entries<() => Promise<Round>>(sides))
    await warmUp(name, async () => rateOf(await run()));
  const done = mapValues(sides, (run) => ({ run, rounds: [] as Round[] }));
  const order = Object.values<{ run: () => Promise<Round>; rounds: Round[] }>(done);
  for (let turn = 0; turn < count; turn += 1)
    // Whoever comes second finds what the first has left.
    for (const { run, rounds } of turn % 2 === 0 ? order : order.toReversed()) rounds.push(await run());
  return mapValues(done, ({ rounds }) => rounds);
}

/** The median rate of each side over steady rounds; each function resolves to the rate of a round. */
export async function steadyRates<Name extends string>(
  count: number,
  sides: Sides<Name, () => Promise<number>>,
): Promise<Sides<Name, number>> {
  return mapValues(await steadyRounds(count, sides, (rate) => rate), median);
}

/** A record of the same names, with what `change` makes of each value. */
export function mapValues<Name extends string, From, To>(
  sides: Sides<Name, From>,
  change: (value: From) => To,
): Sides<Name, To> {
  const changed = Object.entries<From>(sides).map(([name, value]) => [name, change(value)]);
  return Object.fromEntries(changed) as Sides<Name, To>;
}

async function warmUp(name: string, round: () => Promise<number>): Promise<void> {
  const start = performance.now();
  let fastest = 0;
  let steady = 0;
  for (;;) {
    const rate = await round();
    steady = rate <= fastest * NOISE ? steady + 1 : 0;
    fastest = Math.max(fastest, rate);
    const elapsed = performance.now() - start;
    if (elapsed >= LEAST_MS && steady >= 2) return;
    if (elapsed < MOST_MS) continue;
    console.error(`${name} is not steady after ${MOST_MS / 1_000} s`);
    return;
  }
}
