// What a query of accounts says in SQL.

import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';
import type { UserStatus } from '../../../domain/account/user.ts';
import type {
  TimeRange,
  UserFilters,
  UserOrder,
  UserPosition,
  UserQuery,
} from '../../../domain/user-directory/user-directory.ts';
import { date } from '../row-values.ts';

export type Page = { readonly after: UserPosition | undefined; readonly limit: number };
export type Condition = RawBuilder<boolean>;

/** Shorter texts are sought at the beginning of a field alone: they have no trigram. */
const TRIGRAM_LENGTH = 3;

/** The parts of a query. */
export type QueryConditions = {
  readonly orderBy: RawBuilder<unknown>;
  /** UserPosition.key of a row. */
  readonly positionKey: RawBuilder<string>;
  /** What an index of the order answers by itself, beside role and status. */
  readonly bounds: readonly Condition[];
  /** What must be seen in each account. */
  readonly matches: readonly Condition[];
};

export function conditionsOf({ text, filters, order }: UserQuery, { after }: Page): QueryConditions {
  const { emailVerified, mfaEnabled, createTime, lastLoginTime } = filters;
  const ages = within('create_time', createTime);
  const ofOrder = order.by === 'email' ? byEmail(order, after) : byTime(order, after);
  return {
    ...ofOrder,
    bounds: [...ofOrder.bounds, ...(order.by === 'email' ? [] : ages)],
    matches: [
      ...(text === '' ? [] : [sql<boolean>`search like ${pattern(text)}`]),
      ...(emailVerified === undefined ? [] : [sql<boolean>`email_verified = ${emailVerified}`]),
      ...(mfaEnabled === undefined ? [] : [sql<boolean>`mfa_enabled = ${mfaEnabled}`]),
      ...within('last_login_time', lastLoginTime),
      ...(order.by === 'email' ? ages : []),
    ],
  };
}

/** The statuses that the filters mean. */
export function statusesOf({ statuses }: UserFilters): readonly UserStatus[] {
  return statuses.length === 0 ? ['active', 'suspended'] : statuses;
}

export function anyOf(column: 'role' | 'status', values: readonly string[]): Condition {
  return sql<boolean>`${sql.ref(column)} in (${sql.join(values)})`;
}

export function all(conditions: readonly Condition[]): Condition {
  return conditions.length === 0 ? sql<boolean>`true` : sql<boolean>`${sql.join(conditions, sql` and `)}`;
}

type OrderParts = Pick<QueryConditions, 'orderBy' | 'positionKey' | 'bounds'>;

function byEmail({ descending }: UserOrder, after: UserPosition | undefined): OrderParts {
  const { direction, behind } = spell(descending);
  return {
    orderBy: sql`email_key collate "C" ${direction}`,
    positionKey: sql`email_key`,
    bounds: after === undefined ? [] : [sql`email_key collate "C" ${behind} ${after.key}`],
  };
}

// A position holds whole microseconds, as Postgres keeps them: a Date would lose some, and the list its place.
function byTime({ descending }: UserOrder, after: UserPosition | undefined): OrderParts {
  const { direction, behind } = spell(descending);
  return {
    orderBy: sql`create_time ${direction}, id ${direction}`,
    positionKey: sql`(extract(epoch from create_time) * 1000000)::bigint::text`,
    bounds:
      after === undefined ? [] : [sql`(create_time, id) ${behind} (${timeOf(after)}, ${after.id}::uuid)`],
  };
}

function timeOf({ key }: UserPosition): RawBuilder<unknown> {
  return sql`timestamptz 'epoch' + ${key}::bigint * interval '1 microsecond'`;
}

function spell(descending: boolean) {
  return { direction: sql.raw(descending ? 'desc' : 'asc'), behind: sql.raw(descending ? '<' : '>') };
}

// `_` needs no escape: directory_text turns it into a letter, as it does in what is searched.
function pattern(text: string): RawBuilder<string> {
  const folded = sql`directory_text(${text.replace(/[\\%]/g, String.raw`\$&`)}::text)`;
  const beginning = [...text].length < TRIGRAM_LENGTH ? sql`E'%\\n'` : sql`'%'`;
  return sql<string>`${beginning} || ${folded} || '%'`;
}

function within(column: 'create_time' | 'last_login_time', { start, end }: TimeRange): Condition[] {
  return [
    ...(start === undefined ? [] : [sql<boolean>`${sql.ref(column)} >= ${date(start)}`]),
    ...(end === undefined ? [] : [sql<boolean>`${sql.ref(column)} < ${date(end)}`]),
  ];
}
