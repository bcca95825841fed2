// Values between rows and the domain: times and absences.

/** Epoch milliseconds of a timestamptz, which the drivers hand over as text or as a Date. */
export function time(value: string | Date): number {
  return typeof value === 'string' ? Date.parse(value) : value.getTime();
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
