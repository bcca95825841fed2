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

/** The limits without configuration; docs/configuration.md lists them. Those of FAILURE_CLASSES are charged for failures alone. */
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
  exchange: { account: { limit: 300, windowMs: MINUTE_MS } },
  refresh: { address: { limit: 120, windowMs: MINUTE_MS } },
  revoke: { address: { limit: 600, windowMs: MINUTE_MS } },
  introspect: { address: { limit: 120, windowMs: MINUTE_MS } },
  malformed: { address: { limit: 300, windowMs: MINUTE_MS } },
  api_key: { address: { limit: 60, windowMs: MINUTE_MS } },
};

/**
 * Charged when a call fails, not when it goes well: behind one address there may be a company that refreshes, or a gateway that introspects
 * thousands of times a second.
 */
export const FAILURE_CLASSES: ReadonlySet<LimitClass> = new Set([
  'refresh',
  'introspect',
  'malformed',
  'api_key',
]);

const SUBJECTS: readonly LimitSubject[] = ['address', 'account'];

/** Every rule of a table, with what it counts. */
export function rulesOf(table: LimitTable): ReadonlyArray<{
  readonly limitClass: LimitClass;
  readonly subject: LimitSubject;
  readonly rule: LimitRule;
}> {
  return limitClassesOf(table).flatMap((limitClass) =>
    SUBJECTS.flatMap((subject) => {
      const rule = table[limitClass][subject];
      return rule === undefined ? [] : [{ limitClass, subject, rule }];
    }),
  );
}

function limitClassesOf(table: LimitTable): readonly LimitClass[] {
  const isClass = (name: string): name is LimitClass => name in table;
  return Object.keys(table).filter(isClass);
}

/** Makes one of something for each rule, by a name like `login:address`; answers what finds it again, or undefined without a rule. */
export function perRule<Made>(
  table: LimitTable,
  make: (rule: LimitRule, name: string) => Made,
): (limitClass: LimitClass, subject: LimitSubject) => Made | undefined {
  const made = new Map(
    rulesOf(table).map(({ limitClass, subject, rule }) => {
      const name = `${limitClass}:${subject}`;
      return [name, make(rule, name)];
    }),
  );
  return (limitClass, subject) => made.get(`${limitClass}:${subject}`);
}
