// Sends what many callers want at once in one statement: one round trip and one commit for all of them.

export type GroupOptions<Input, Output> = {
  /** Answers the inputs in their order. When it fails for several, each is run alone, so that one does not fail the others. */
  readonly runGroup: (inputs: readonly Input[]) => Promise<readonly Output[]>;
  readonly maxSize: number;
  /** While so many groups are under way, callers wait for the next. */
  readonly maxRunning: number;
};

type Waiting<Input, Output> = {
  readonly input: Input;
  readonly settle: PromiseWithResolvers<Output>;
};

/**
 * A function of one input that runs in groups: calls of one turn of the event loop, and those that come while others are under way, share one
 * group. Errors: those of `runGroup`.
 */
export function inGroups<Input, Output>(
  options: GroupOptions<Input, Output>,
): (input: Input) => Promise<Output> {
  const waiting: Array<Waiting<Input, Output>> = [];
  let running = 0;
  let isDue = false;

  const start = () => {
    isDue = false;
    while (running < options.maxRunning && waiting.length > 0) {
      const group = waiting.splice(0, options.maxSize);
      running += 1;
      void run(options, group).finally(() => {
        running -= 1;
        startSoon();
      });
    }
  };
  const startSoon = () => {
    if (isDue) return;
    isDue = true;
    setImmediate(start);
  };
  return (input) => {
    const settle = Promise.withResolvers<Output>();
    waiting.push({ input, settle });
    startSoon();
    return settle.promise;
  };
}

async function run<Input, Output>(
  options: GroupOptions<Input, Output>,
  group: ReadonlyArray<Waiting<Input, Output>>,
): Promise<void> {
  try {
    const outputs = await options.runGroup(group.map(({ input }) => input));
    if (outputs.length !== group.length) throw new Error('a group answered otherwise than it was asked');
    outputs.forEach((output, index) => group[index]?.settle.resolve(output));
  } catch (error) {
    const [alone, ...others] = group;
    if (others.length === 0) alone?.settle.reject(error);
    else await Promise.all(group.map((one) => run(options, [one])));
  }
}
