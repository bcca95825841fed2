// What an import would do: looks, notes what it would have created, and stores nothing.

import type { CheckedUser } from './imported-user.ts';
import type { ImportFate, Obstacles } from './user-import-store.ts';

/** What a dry run would have taken so far. Grows with it: some hundred bytes an account. */
export class DryRun {
  readonly externalIds = new Set<string>();
  readonly emailKeys = new Set<string>();
  readonly usernameKeys = new Set<string>();
}

/** What would become of each, in order; those that would come in are noted. */
export function fatesInDryRun(
  dryRun: DryRun,
  users: readonly CheckedUser[],
  obstacles: readonly Obstacles[],
): readonly ImportFate[] {
  return users.map((user, index) => fateOf(dryRun, user, obstacles[index]));
}

function fateOf(dryRun: DryRun, user: CheckedUser, found: Obstacles | undefined): ImportFate {
  const { externalId, email, username } = user;
  if (found?.userId !== undefined || dryRun.externalIds.has(externalId))
    return { fate: 'unchanged', userId: found?.userId };
  const emailTaken = found?.emailTaken === true || dryRun.emailKeys.has(email.key);
  const usernameTaken =
    username !== undefined && (found?.usernameTaken === true || dryRun.usernameKeys.has(username.key));
  if (emailTaken || usernameTaken) return { fate: 'taken', emailTaken, usernameTaken };
  dryRun.externalIds.add(externalId);
  dryRun.emailKeys.add(email.key);
  if (username !== undefined) dryRun.usernameKeys.add(username.key);
  return { fate: 'created' };
}
