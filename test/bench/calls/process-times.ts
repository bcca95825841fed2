// What a process has used of the machine, as Linux counts it: the same for a server in any language.

import { readFileSync } from 'node:fs';

// USER_HZ, which is 100 on every platform that Node runs on (time(7)).
const TICKS_PER_SECOND = 100;

/** Seconds since the process began. */
export type ProcessTimes = {
  /** CPU time of all its threads, in user and kernel mode. */
  readonly cpu: number;
  /** How long its main thread ran, or waited for a core that was taken: the rest of the time it had nothing to do. */
  readonly busy: number;
};

/** Reads the times of a process. Errors: there is no such process, or no /proc (not Linux). */
export function processTimes(pid: number): ProcessTimes {
  // The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15 (proc(5)).
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const [ran = Number.NaN, waited = Number.NaN] = readFileSync(`/proc/${pid}/schedstat`, 'utf8')
    .split(' ')
    .map(Number);
  return {
    cpu: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    busy: (ran + waited) / 1e9,
  };
}
