// AdminService: finding accounts.

import { create } from '@bufbuild/protobuf';
import { z } from 'zod';
import { readRoleName } from '../../../domain/access/role-name.ts';
import type { UserStatus as DomainUserStatus } from '../../../domain/account/user.ts';
import type { PageTokenCodec } from '../../../domain/paging.ts';
import type { ListUsersDeps } from '../../../domain/user-directory/list-users.ts';
import { listUsers } from '../../../domain/user-directory/list-users.ts';
import type {
  TimeRange,
  UserFilters,
  UserOrder as DomainUserOrder,
  UserPosition,
  UserQuery,
} from '../../../domain/user-directory/user-directory.ts';
import type {
  AdminService,
  ListUsersRequest,
  UserFilters as UserFiltersMessage,
} from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import { ListUsersResponseSchema, UserOrder } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import { UserStatus } from '../../../../gen/latchkey/v1/user_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeUser } from '../../messages/encode.ts';
import { readPositionAs, writePosition } from '../../messages/page-token.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type UserDirectoryHandlersDeps = ListUsersDeps & { readonly pageTokenCodec: PageTokenCodec };

const PAGE_SIZE = { fallback: 50, max: 1_000 };
const MAX_QUERY_LENGTH = 200;
const MAX_ROLES = 20;
const MAX_STATUSES = 20;

const Position: z.ZodType<UserPosition> = z.object({ key: z.string(), id: z.uuid() });

const STATUS: Readonly<Partial<Record<UserStatus, DomainUserStatus>>> = {
  [UserStatus.ACTIVE]: 'active',
  [UserStatus.SUSPENDED]: 'suspended',
  [UserStatus.DELETED]: 'deleted',
};

const ORDER: Readonly<Partial<Record<UserOrder, DomainUserOrder>>> = {
  [UserOrder.UNSPECIFIED]: { by: 'create_time', descending: true },
  [UserOrder.CREATE_TIME_DESC]: { by: 'create_time', descending: true },
  [UserOrder.CREATE_TIME_ASC]: { by: 'create_time', descending: false },
  [UserOrder.EMAIL_ASC]: { by: 'email', descending: false },
  [UserOrder.EMAIL_DESC]: { by: 'email', descending: true },
};
const NEWEST_FIRST: DomainUserOrder = { by: 'create_time', descending: true };

/** AdminService: finding accounts. */
export function userDirectoryHandlers(
  deps: UserDirectoryHandlersDeps,
): Pick<ServiceHandlers<typeof AdminService>, 'listUsers'> {
  return {
    async listUsers(request) {
      const reader = new RequestReader();
      const pageSize = reader.pageSize('page_size', request.pageSize, PAGE_SIZE);
      const query = readQuery(reader, request);
      reader.finish();
      // What a page token is bound to: not the size of the pages, which may change on the way.
      const binding = `users/${JSON.stringify(query)}`;
      const after = readPositionAs(Position, deps.pageTokenCodec, binding, request.pageToken);
      const { users, next } = await listUsers(deps, { query, pageSize, after });
      return create(ListUsersResponseSchema, {
        users: users.map(encodeUser),
        nextPageToken: writePosition(deps.pageTokenCodec, binding, next),
      });
    },
  };
}

function readQuery(reader: RequestReader, { query, filters, order }: ListUsersRequest): UserQuery {
  const domainOrder = ORDER[order];
  if (domainOrder === undefined) reader.add('order', 'must be one of the orders that there are');
  return {
    text: reader.text(query, { field: 'query', max: MAX_QUERY_LENGTH, name: true }),
    filters: readFilters(reader, filters),
    order: domainOrder ?? NEWEST_FIRST,
  };
}

function readFilters(reader: RequestReader, filters: UserFiltersMessage | undefined): UserFilters {
  return {
    roles: readRoles(reader, filters?.roles ?? []),
    statuses: readStatuses(reader, filters?.statuses ?? []),
    emailVerified: filters?.emailVerified,
    mfaEnabled: filters?.mfaEnabled,
    createTime: readRange(reader, 'create_time', filters?.createTimeStart, filters?.createTimeEnd),
    lastLoginTime: readRange(
      reader,
      'last_login_time',
      filters?.lastLoginTimeStart,
      filters?.lastLoginTimeEnd,
    ),
  };
}

function readRoles(reader: RequestReader, raw: readonly string[]): readonly string[] {
  if (raw.length > MAX_ROLES) {
    reader.add('filters.roles', `must hold at most ${MAX_ROLES} roles`);
    return [];
  }
  return distinct(raw.map((role, index) => readRoleName(reader, `filters.roles[${index}]`, role)));
}

function readStatuses(reader: RequestReader, raw: readonly UserStatus[]): readonly DomainUserStatus[] {
  if (raw.length > MAX_STATUSES) {
    reader.add('filters.statuses', `must hold at most ${MAX_STATUSES} statuses`);
    return [];
  }
  const statuses = raw.flatMap((value, index) => {
    const status = STATUS[value];
    if (status !== undefined) return [status];
    reader.add(`filters.statuses[${index}]`, 'must be one of the statuses that there are');
    return [];
  });
  return distinct(statuses);
}

type Time = Parameters<RequestReader['time']>[1];

function readRange(reader: RequestReader, name: string, rawStart: Time, rawEnd: Time): TimeRange {
  const fields = { start: `filters.${name}_start`, end: `filters.${name}_end` };
  const start = reader.time(fields.start, rawStart);
  const end = reader.time(fields.end, rawEnd);
  if (start !== undefined && end !== undefined && start >= end) {
    reader.add(fields.start, `must be before ${name}_end`);
    reader.add(fields.end, `must be after ${name}_start`);
  }
  return { start, end };
}

// In one order, so that a page token is valid for the same filter in another spelling.
function distinct<Text extends string>(values: readonly Text[]): readonly Text[] {
  return [...new Set(values)].toSorted();
}
