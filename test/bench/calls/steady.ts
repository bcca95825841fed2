// Warms up what is measured, until V8 has compiled what there is to compile.

const FEWEST_ROUNDS = 4;
const MOST_ROUNDS = 15;
// Rounds differ by this much anyway.
const NOISE = 1.03;

/**
 * Repeats a round until two in turn are no faster, beyond noise, than the fastest before them. `round` resolves to a rate. Says on stderr when the rounds go
 * on getting faster.
 */
export async function untilSteady(round: () => Promise<number>): Promise<void> {
  let fastest = 0;
  let steadyRounds = 0;
  for (let count = 1; count <= MOST_ROUNDS; count += 1) {
    const rate = await round();
    steadyRounds = rate <= fastest * NOISE ? steadyRounds + 1 : 0;
    fastest = Math.max(fastest, rate);
    if (count >= FEWEST_ROUNDS && steadyRounds >= 2) return;
  }
  console.error(`not steady after ${MOST_ROUNDS} rounds of warm-up`);
}
