// Times that others wrote: what there is, is read exactly; what there is not, is no other time.

import { assert, integer, property } from 'fast-check';
import { expect, it } from 'vitest';
import { postgresTime, rfc3339Time } from '../../src/domain/written-time.ts';

it.each([
  ['2024-05-06T07:08:09Z', Date.UTC(2024, 4, 6, 7, 8, 9)],
  ['2024-05-06t07:08:09z', Date.UTC(2024, 4, 6, 7, 8, 9)],
  ['2024-05-06T07:08:09.1Z', Date.UTC(2024, 4, 6, 7, 8, 9, 100)],
  ['2024-05-06T07:08:09.123999999Z', Date.UTC(2024, 4, 6, 7, 8, 9, 123)],
  ['2024-05-06T07:08:09+05:30', Date.UTC(2024, 4, 6, 1, 38, 9)],
  ['2024-02-29T23:59:59-00:30', Date.UTC(2024, 2, 1, 0, 29, 59)],
  ['1970-01-01T00:00:00Z', 0],
  ['0001-01-01T00:00:00Z', -62_135_596_800_000],
  ['9999-12-31T23:59:59.999Z', 253_402_300_799_999],
])('RFC 3339: %s', (text, time) => expect(rfc3339Time(text)).toBe(time));

it.each([
  '',
  '5',
  '06/05/2024',
  '2024-05-06',
  '2024-05-06 07:08:09',
  '2024-05-06 07:08:09Z',
  '2024-05-06T07:08:09',
  '2024-05-06T07:08Z',
  '2024-05-06T07:08:09+0530',
  '2024-05-06T07:08:09+05',
  '2024-05-06T07:08:09+24:00',
  '2024-05-06T07:08:09.Z',
  '2024-02-30T00:00:00Z',
  '2023-02-29T00:00:00Z',
  '1900-02-29T00:00:00Z',
  '2024-04-31T00:00:00Z',
  '2024-13-01T00:00:00Z',
  '2024-00-01T00:00:00Z',
  '2024-01-00T00:00:00Z',
  '2024-01-01T24:00:00Z',
  '2024-01-01T00:60:00Z',
  '2016-12-31T23:59:60Z',
  '0000-01-01T00:00:00Z',
  '10000-01-01T00:00:00Z',
  '+002024-05-06T07:08:09Z',
  ' 2024-05-06T07:08:09Z',
  '2024-05-06T07:08:09Z\n',
  '٢٠٢٤-05-06T07:08:09Z',
  'infinity',
])('no RFC 3339: %j', (text) => expect(rfc3339Time(text)).toBeUndefined());

it.each([
  ['infinity', Number.POSITIVE_INFINITY],
  ['-infinity', Number.NEGATIVE_INFINITY],
  ['2024-05-06 07:08:09.123456+00', Date.UTC(2024, 4, 6, 7, 8, 9, 123)],
  ['2024-05-06 07:08:09+05:30', Date.UTC(2024, 4, 6, 1, 38, 9)],
  ['1890-01-01 00:00:00+00:53:28', Date.UTC(1890, 0, 1) - 53 * 60_000 - 28_000],
  ['10000-01-01T08:59:59.999+09:00', 253_402_300_799_999],
  ['294276-12-31 23:59:59+00', 9_224_318_015_999_000],
])('Postgres: %s', (text, time) => expect(postgresTime(text)).toBe(time));

it.each(['Infinity', 'now', '0044-03-15 00:00:00+00 BC', '2024-05-06 07:08:09', '2024-02-30 00:00:00+00'])(
  'no time of Postgres: %j',
  (text) => expect(postgresTime(text)).toBeUndefined(),
);

it('reads whatever toISOString writes', () => {
  const times = integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 });
  assert(
    property(times, (time) => {
      const text = new Date(time).toISOString();
      expect(rfc3339Time(text)).toBe(time);
      expect(postgresTime(text)).toBe(time);
    }),
  );
});
