// The variables of the rate limits: LATCHKEY_LIMIT_<CLASS>_<SUBJECT>=<count>/<window>, or off.

import { z } from 'zod';
import type { LimitRule, LimitTable } from '../domain/limits/limit-table.ts';
import { LIMIT_TABLE, rulesOf } from '../domain/limits/limit-table.ts';
import type { LimitClass, LimitSubject } from '../domain/limits/rate-limiter.ts';
import { parseDuration } from './values.ts';

const FORM = /^(?<count>\d{1,7})\/(?<window>\d{1,9}(?:s|m|h|d))$/;
const MAX_COUNT = 1_000_000;
const MAX_COUNT_TEXT = '1000000';

type LimitName = `LIMIT_${string}`;
type LimitValue = LimitRule | 'off';

/** The variable of a rule, without LATCHKEY_. */
export function limitVariable(limitClass: LimitClass, subject: LimitSubject): LimitName {
  return `LIMIT_${limitClass.toUpperCase()}_${subject.toUpperCase()}`;
}

/** `5/1m`, `100/1h`, or `off`. */
export const limitForm = z
  .string()
  .regex(
    /^(?:off|\d{1,7}\/\d{1,9}(?:s|m|h|d))$/,
    'must be off, or a count and a window, like 5/1m, 100/1h or 3/1d',
  )
  .transform((text): LimitValue => ruleOf(text))
  .refine(
    (value) => value === 'off' || (value.limit >= 1 && value.limit <= MAX_COUNT),
    `must allow between 1 and ${MAX_COUNT_TEXT} uses; use off for no limit`,
  )
  .refine(
    (value) =>
      value === 'off' || (value.windowMs >= parseDuration('1s') && value.windowMs <= parseDuration('30d')),
    'must have a window between 1s and 30d',
  );

/** One variable for each rule of the table, which is its default. */
export const limitVariables: Record<
  LimitName,
  z.ZodType<LimitValue, string | undefined>
> = Object.fromEntries(
  rulesOf(LIMIT_TABLE).map(({ limitClass, subject, rule }) => [
    limitVariable(limitClass, subject),
    limitForm.default(rule),
  ]),
);

/** The table as configured: what is off has no rule. */
export function limitTable(values: Readonly<Record<LimitName, LimitValue | undefined>>): LimitTable {
  const table: { -readonly [Class in keyof LimitTable]: LimitTable[Class] } = { ...LIMIT_TABLE };
  for (const { limitClass, subject } of rulesOf(LIMIT_TABLE)) {
    const value = values[limitVariable(limitClass, subject)];
    if (value === undefined) continue;
    table[limitClass] = { ...table[limitClass], [subject]: value === 'off' ? undefined : value };
  }
  return table;
}

function ruleOf(text: string): LimitValue {
  const { count = '', window = '' } = FORM.exec(text)?.groups ?? {};
  return count === '' ? 'off' : { limit: Number(count), windowMs: parseDuration(window) };
}
