// Times written as text by others: RFC 3339 and Postgres, read strictly, for a date that there is none must not pass for another.

const RFC_3339 =
  /^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)[Tt](?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)(?:\.(?<fraction>\d+))?(?<zone>[Zz]|[+-]\d\d:\d\d)$/;
// In the ISO style, which is the default, with a zone; also as JSON, with a `T` and minutes in the zone.
const POSTGRES =
  /^(?<year>\d{4,6})-(?<month>\d\d)-(?<day>\d\d)[T ](?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)(?:\.(?<fraction>\d+))?(?<zone>Z|[+-]\d\d(?::\d\d){0,2})$/;
const ZONE = /^(?<sign>[+-])(?<hours>\d\d)(?::(?<minutes>\d\d))?(?::(?<seconds>\d\d))?$/;

/**
 * Epoch milliseconds of an RFC 3339 date-time (section 5.6), further digits cut off. Undefined for any other text: without a zone, with a day that the
 * month does not have, with a leap second, in the year 0. Pure.
 */
export function rfc3339Time(text: string): number | undefined {
  return timeBy(RFC_3339, text);
}

/**
 * Epoch milliseconds of a timestamptz as Postgres writes it, of any year up to 294276; ±Infinity for `infinity` and `-infinity`. Undefined for any
 * other text, also for years before Christ. Pure.
 */
export function postgresTime(text: string): number | undefined {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  if (text === '-infinity') return Number.NEGATIVE_INFINITY;
  return timeBy(POSTGRES, text);
}

function timeBy(pattern: RegExp, text: string): number | undefined {
  const found = pattern.exec(text)?.groups;
  if (found === undefined) return undefined;
  const number = (name: string) => Number(found[name]);
  const [year, month, day] = [number('year'), number('month'), number('day')];
  const [hour, minute, second] = [number('hour'), number('minute'), number('second')];
  const offset = offsetMs(found['zone'] ?? '');
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || offset === undefined) return undefined;
  const days = daysBefore(year) + dayOfYear(year, month, day) - daysBefore(1970);
  const fraction = Number((found['fraction'] ?? '').slice(0, 3).padEnd(3, '0'));
  return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + fraction - offset;
}

function offsetMs(zone: string): number | undefined {
  const { sign, hours, minutes = '0', seconds = '0' } = ZONE.exec(zone)?.groups ?? {};
  if (hours === undefined) return 0;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000;
  return sign === '-' ? -ms : ms;
}

// Counted rather than asked of Date, which ends in the year 275760. The proleptic Gregorian calendar.
function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function daysBefore(year: number): number {
  const past = year - 1;
  return past * 365 + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
}

function dayOfYear(year: number, month: number, day: number): number {
  let days = day - 1;
  for (let before = 1; before < month; before += 1) days += daysIn(year, before);
  return days;
}
