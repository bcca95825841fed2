// Shows how an import goes on: a bar on a terminal, a line now and then elsewhere.

import cliProgress from 'cli-progress';

/** When to show it: as the terminal is, by a bar whatever it is, or not at all. */
export type ProgressMode = 'auto' | 'always' | 'never';

/** What there is to show: people and bytes so far, in this run. */
export type ProgressState = { readonly users: number; readonly offset: number };

export type Progress = {
  update(state: ProgressState): void;
  stop(): void;
};

const LINE_INTERVAL_MS = 5_000;

/** Shows it on standard error. `total` is the size of the input in bytes, undefined where it is not known; `start` where this run begins in it. */
export function showProgress(mode: ProgressMode, total: number | undefined, start: number): Progress {
  if (mode === 'never') return { update: () => undefined, stop: () => undefined };
  const isBar = mode === 'always' || process.stderr.isTTY;
  const speed = speedometer(total, start);
  return isBar && total !== undefined ? bar(total, start, speed) : lines(speed);
}

type Speed = (state: ProgressState) => { readonly rate: string; readonly left: string };

function speedometer(total: number | undefined, start: number): Speed {
  const began = performance.now();
  return ({ users, offset }) => {
    const seconds = (performance.now() - began) / 1_000;
    const rate = String(Math.round(users / Math.max(seconds, 0.001)));
    const bytes = offset - start;
    const left = total === undefined || bytes === 0 ? '' : duration(((total - offset) * seconds) / bytes);
    return { rate, left };
  };
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function bar(total: number, start: number, speed: Speed): Progress {
  const shown = new cliProgress.SingleBar({
    format: '{bar} {percentage}%  {users} users  {rate}/s  {left} left',
    barsize: 30,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 1_000,
    stream: process.stderr,
  });
  shown.start(total, start, { users: 0, rate: '0', left: '?' });
  return {
    update: (state) => shown.update(state.offset, { users: state.users, ...speed(state) }),
    stop: () => shown.stop(),
  };
}

function lines(speed: Speed): Progress {
  let lastLine = performance.now();
  return {
    update(state) {
      if (performance.now() - lastLine < LINE_INTERVAL_MS) return;
      lastLine = performance.now();
      const { rate, left } = speed(state);
      console.error(`${state.users} users, ${rate}/s${left === '' ? '' : `, ${left} left`}`);
    },
    stop: () => undefined,
  };
}
