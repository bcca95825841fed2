// Values between rows and the domain: times and absences.

import { postgresTime, rfc3339Time } from '../../domain/written-time.ts';

/** The types (pg_type.oid) of date, timestamp, timestamptz and interval. */
export const TIME_TYPES = [1082, 1114, 1184, 1186] as const;

/** What a driver is to make of their values: the text that the database sends, for `time` to read; a Date would round it. Pure. */
export function timeAsText(text: string): string {
  return text;
}

/** Epoch milliseconds of a timestamptz, which the drivers return as text or as a Date. Not a number for what is no time. */
export function time(value: string | Date): number {
  return typeof value === 'string'
    ? (postgresTime(value) ?? rfc3339Time(value) ?? Number.NaN)
    : value.getTime();
}

/** As `time`, undefined for null. */
export function optionalTime(value: string | Date | null): number | undefined {
  return value === null ? undefined : time(value);
}

/** A Date for a timestamptz column. */
export function date(milliseconds: number): Date {
  return new Date(milliseconds);
}

/** As `date`, null for undefined. */
export function optionalDate(milliseconds: number | undefined): Date | null {
  return milliseconds === undefined ? null : new Date(milliseconds);
}
