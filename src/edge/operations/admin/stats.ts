// AdminService: statistics.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { GetStatsDeps, Stats } from '../../../domain/stats/get-stats.ts';
import { getStats } from '../../../domain/stats/get-stats.ts';
import { readPeriod } from '../../../domain/stats/period.ts';
import type { ActivityCount, StatsPeriod } from '../../../domain/stats/stats-store.ts';
import type { AdminService } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import { GetStatsResponseSchema } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import type { ActivityCountSchema, StatsSchema } from '../../../../gen/latchkey/v1/stats_pb.ts';
import { StatsInterval } from '../../../../gen/latchkey/v1/stats_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { USER_STATUS } from '../../messages/encode.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type StatsHandlersDeps = GetStatsDeps;

/** AdminService: statistics. */
export function statsHandlers(
  deps: StatsHandlersDeps,
): Pick<ServiceHandlers<typeof AdminService>, 'getStats'> {
  return {
    async getStats(request, call) {
      const reader = new RequestReader();
      const options = {
        interval: readInterval(reader, 'interval', request.interval),
        startTime: reader.time('start_time', request.startTime),
        endTime: reader.time('end_time', request.endTime),
      };
      // A time that is none is no period either: one word about each field is enough.
      reader.finish();
      const period = readPeriod(reader, options, deps.clock.now());
      reader.finish();
      const stats = await getStats(deps, period, call.signal);
      return create(GetStatsResponseSchema, { stats: encodeStats(stats) });
    },
  };
}

function readInterval(reader: RequestReader, field: string, raw: StatsInterval): StatsPeriod['interval'] {
  switch (raw) {
    case StatsInterval.UNSPECIFIED:
    case StatsInterval.HOUR:
      return 'hour';
    case StatsInterval.DAY:
      return 'day';
    default:
      reader.add(field, 'must be a known interval');
      return 'hour';
  }
}

function encodeStats(stats: Stats): MessageInitShape<typeof StatsSchema> {
  return {
    totalUsers: BigInt(stats.totalUsers),
    usersByRole: stats.usersByRole.map(({ role, users }) => ({ role, users: BigInt(users) })),
    usersByStatus: stats.usersByStatus.map(({ status, users }) => ({
      status: USER_STATUS[status],
      users: BigInt(users),
    })),
    mfaUsers: BigInt(stats.mfaUsers),
    verifiedUsers: BigInt(stats.verifiedUsers),
    activeSessions: BigInt(stats.census.activeSessions),
    activeSessionsTime: timestampFromMs(stats.census.time),
    activity: stats.activity.map(encodeActivity),
  };
}

function encodeActivity(count: ActivityCount): MessageInitShape<typeof ActivityCountSchema> {
  return {
    startTime: timestampFromMs(count.startTime),
    registrations: BigInt(count.registrations),
    logins: BigInt(count.logins),
    failures: BigInt(count.failures),
    lockouts: BigInt(count.lockouts),
  };
}
