// Which lifetimes of tokens and sessions contradict each other.

import { PREFIX } from './config-error.ts';

/** What is compared, in milliseconds. */
export type Lifetimes = {
  readonly ACCESS_TOKEN_TTL: number;
  readonly REFRESH_TOKEN_TTL: number;
  readonly SESSION_MAX_AGE: number;
  readonly REFRESH_GRACE: number;
};

/**
 * One line for each contradiction, naming both variables; empty when there is none. A REFRESH_TOKEN_TTL beyond SESSION_MAX_AGE is none: the
 * session's end bounds it.
 */
export function lifetimeFaults(values: Lifetimes): readonly string[] {
  const longer = (left: keyof Lifetimes, right: keyof Lifetimes, why: string) =>
    values[left] > values[right]
      ? [`${PREFIX}${left}: must not be longer than ${PREFIX}${right} (${why})`]
      : [];
  return [
    ...longer('ACCESS_TOKEN_TTL', 'REFRESH_TOKEN_TTL', 'a token would outlive a session that is not used'),
    ...longer('ACCESS_TOKEN_TTL', 'SESSION_MAX_AGE', 'a token would outlive its session'),
    ...longer('REFRESH_GRACE', 'ACCESS_TOKEN_TTL', 'theft of a refresh token would hardly ever be seen'),
  ];
}
