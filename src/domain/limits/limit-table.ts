// How often what may be done: the one table of limits.

import type { LimitClass, LimitSubject } from './rate-limiter.ts';

/** So many uses in any span of `windowMs` milliseconds. */
export type LimitRule = { readonly limit: number; readonly windowMs: number };

/** The rules of every class; a subject without one is not counted by. */
export type LimitTable = Readonly<
  Record<LimitClass, { readonly [Subject in LimitSubject]?: LimitRule | undefined }>
>;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** RateLimitClass in access.proto says the same to callers. */
export const LIMIT_TABLE: LimitTable = {
  register: { address: { limit: 3, windowMs: HOUR_MS } },
  login: { address: { limit: 5, windowMs: MINUTE_MS }, account: { limit: 10, windowMs: MINUTE_MS } },
  mfa: { address: { limit: 10, windowMs: MINUTE_MS } },
  mail: { address: { limit: 5, windowMs: 15 * MINUTE_MS }, account: { limit: 3, windowMs: HOUR_MS } },
  token: { address: { limit: 20, windowMs: MINUTE_MS } },
  credentials: {
    address: { limit: 10, windowMs: MINUTE_MS },
    account: { limit: 10, windowMs: MINUTE_MS },
  },
};

const SUBJECTS: readonly LimitSubject[] = ['address', 'account'];

/** Makes one of something for each rule, by a name like `login:address`; answers what finds it again, or undefined without a rule. */
export function perRule<Made>(
  table: LimitTable,
  make: (rule: LimitRule, name: string) => Made,
): (limitClass: LimitClass, subject: LimitSubject) => Made | undefined {
  const made = new Map<string, Made>();
  for (const [limitClass, rules] of Object.entries(table)) {
    for (const subject of SUBJECTS) {
      const rule = rules[subject];
      const name = `${limitClass}:${subject}`;
      if (rule !== undefined) made.set(name, make(rule, name));
    }
  }
  return (limitClass, subject) => made.get(`${limitClass}:${subject}`);
}
