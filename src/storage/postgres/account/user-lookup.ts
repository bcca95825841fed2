// Reads accounts by id for many callers in one statement: what every GetMe does.

import type { User } from '../../../domain/account/user.ts';
import { inGroups } from '../in-groups.ts';
import type { RunStatement, Statement } from '../statement.ts';
import type { UserRow } from './user-store.ts';
import { COLUMNS, toUser } from './user-store.ts';

const FIND_MANY: Statement<UserRow> = {
  name: 'users_find_by_id',
  text: `select ${COLUMNS} from users where id = any($1::uuid[]) and status <> 'deleted'`,
};

const MAX_GROUP = 1_000;
// One on its way while the next collects.
const MAX_RUNNING = 2;

/** `UserStore.findById` outside transactions: alone when nobody else asks, in groups when many do. Errors: the driver's. */
export function userLookup(run: RunStatement): (id: string) => Promise<User | undefined> {
  return inGroups({
    async runGroup(ids: readonly string[]) {
      const { rows } = await run(FIND_MANY, [[...new Set(ids)]]);
      const users = new Map(rows.map((row) => [row.id, toUser(row)]));
      return ids.map((id) => users.get(id));
    },
    maxSize: MAX_GROUP,
    maxRunning: MAX_RUNNING,
  });
}
