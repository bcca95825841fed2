// The caller's live sessions, newest first, a page at a time.

import type { UserStore } from '../account/user-store.ts';
import type { Clock } from '../clock.ts';
import { DomainError } from '../errors.ts';
import { pageOf } from '../paging.ts';
import type { SessionPageQuery, SessionStore } from './session-store.ts';

export type ListSessionsDeps = {
  readonly users: Pick<UserStore, 'findById'>;
  readonly sessions: Pick<SessionStore, 'listLive'>;
  readonly clock: Clock;
};

export type ListSessionsInput = {
  readonly userId: string;
  readonly pageSize: number;
  readonly before: SessionPageQuery['before'];
};

/** A page, and where the next one begins (undefined on the last). Errors: USER_NOT_FOUND, STORAGE_UNAVAILABLE. */
export async function listSessions(deps: ListSessionsDeps, input: ListSessionsInput) {
  const user = await deps.users.findById(input.userId);
  if (user === undefined) throw new DomainError('USER_NOT_FOUND', 'The account does not exist any more.');
  const found = await deps.sessions.listLive({
    userId: user.id,
    epoch: user.sessionEpoch,
    now: deps.clock.now(),
    before: input.before,
    limit: input.pageSize + 1,
  });
  const { items, next } = pageOf(found, input.pageSize, ({ createTime, id }) => ({ createTime, id }));
  return { sessions: items, next };
}
