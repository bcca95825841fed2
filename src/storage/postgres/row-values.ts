// Values between rows and the domain: times and absences.

import { postgresTime, rfc3339Time } from '../../domain/written-time.ts';

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
