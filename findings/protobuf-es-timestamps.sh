#!/usr/bin/env bash
# protobuf-es reads days and hours that do not exist from JSON as other times.
#
# Versions:  @bufbuild/protobuf 2.17.0 on Node 20 and 26, 2026-11-27.
# Expected:  the JSON form of google.protobuf.Timestamp is RFC 3339, whose section 5.7 bounds the day by month and year and the hour by 23
#            (and allows second 60): a time outside these is expected to be an error.
# Behaviour: February 30 becomes March 2, April 31 becomes May 1, hour 24 becomes the next day, and no error is raised. A leap second is refused.
# Matters:   an expiry, a ban or a filter typed wrongly is stored as another day instead of being refused.
# Seen:
#   2030-02-30T00:00:00Z 2030-03-02T00:00:00.000Z
#   2030-04-31T12:00:00Z 2030-05-01T12:00:00.000Z
#   2030-01-01T24:00:00Z 2030-01-02T00:00:00.000Z
#   2016-12-31T23:59:60Z refused
# Exits 0 while this holds, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --save-exact @bufbuild/protobuf@2.17.0

cat >probe.mjs <<'PROBE'
import { fromJson } from '@bufbuild/protobuf';
import { timestampDate, TimestampSchema } from '@bufbuild/protobuf/wkt';

const read = (text) => {
  try {
    return timestampDate(fromJson(TimestampSchema, text)).toISOString();
  } catch {
    return 'refused';
  }
};
for (const text of ['2030-02-30T00:00:00Z', '2030-04-31T12:00:00Z', '2030-01-01T24:00:00Z', '2016-12-31T23:59:60Z']) {
  console.log(text, read(text));
}
PROBE

diff - <(node probe.mjs) <<'SEEN' || exit 1
2030-02-30T00:00:00Z 2030-03-02T00:00:00.000Z
2030-04-31T12:00:00Z 2030-05-01T12:00:00.000Z
2030-01-01T24:00:00Z 2030-01-02T00:00:00.000Z
2016-12-31T23:59:60Z refused
SEEN
echo 'unchanged: protobuf-es takes times that do not exist'
