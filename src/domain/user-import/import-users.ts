// ImportUsers: accounts of another system come in with their password hashes, by the batch.

import type { Actor } from '../access/authority.ts';
import type { RoleStore } from '../access/role.ts';
import type { AuditLog, CallOrigin } from '../audit/audit-event.ts';
import type { Stamp } from '../audit/record.ts';
import { auditEvent } from '../audit/record.ts';
import type { Transact } from '../transactions.ts';
import { lockActor } from '../managed-user/act-upon.ts';
import type { ManagedUserStore } from '../managed-user/managed-user-store.ts';
import type { DryRun } from './dry-run.ts';
import { fatesInDryRun } from './dry-run.ts';
import type { ImportedUser, ImportRefusal, ImportRules } from './imported-user.ts';
import { checkImportedUser } from './imported-user.ts';
import { NO_SUCH_ROLE, rolesToGive } from './roles-to-give.ts';
import type { ImportFate, NewImportedUser, UserImportStore } from './user-import-store.ts';

/** How many accounts one batch holds at most. */
export const MAX_BATCH = 1_000;

type ImportStores = {
  readonly managedUsers: Pick<ManagedUserStore, 'lock'>;
  readonly userImports: Pick<UserImportStore, 'insertAll'>;
  readonly audit: AuditLog;
};

export type ImportUsersDeps = Stamp &
  Pick<ImportRules, 'parseAddress' | 'readImportedHash'> & {
    readonly transact: Transact<ImportStores>;
    readonly roles: RoleStore;
    readonly userImports: Pick<UserImportStore, 'findObstacles'>;
  };

export type ImportUsersInput = {
  readonly actor: Actor;
  /** At most MAX_BATCH. */
  readonly users: readonly ImportedUser[];
  /** Undefined when it is meant. */
  readonly dryRun: DryRun | undefined;
  readonly origin: CallOrigin;
};

/** What became of one account; `externalId` is empty where it broke a rule itself. */
export type ImportResult =
  | {
      readonly outcome: 'created' | 'unchanged';
      readonly externalId: string;
      /** Undefined in a dry run, for an account that is not there. */
      readonly userId: string | undefined;
    }
  | ({ readonly outcome: 'refused'; readonly externalId: string } & ImportRefusal);

/**
 * Takes one batch, in one transaction with its audit event; what became of each account, in their order. One whose external id was imported
 * before is left as it is; one that is refused keeps none of the others back. In a dry run nothing is kept. Errors: CONFLICT,
 * STORAGE_UNAVAILABLE; nothing of the batch is kept then.
 */
export async function importUsers(
  deps: ImportUsersDeps,
  { actor, users, dryRun, origin }: ImportUsersInput,
): Promise<readonly ImportResult[]> {
  const now = deps.clock.now();
  const { parseAddress, readImportedHash } = deps;
  const rules = { parseAddress, readImportedHash, mayGive: rolesToGive(actor, await deps.roles.list()), now };
  const items = users.map((given) => {
    const checked = checkImportedUser(rules, given);
    return 'reason' in checked ? checked : { ...checked, id: deps.newId() };
  });
  const newcomers = items.filter(isNewcomer);
  const answer = (fates: readonly ImportFate[]) => resultsOf(users, items, fates, dryRun === undefined);
  if (dryRun !== undefined)
    return answer(fatesInDryRun(dryRun, newcomers, await deps.userImports.findObstacles(newcomers)));
  return deps.transact(async ({ managedUsers, userImports, audit }) => {
    await lockActor({ managedUsers }, actor);
    const results = answer(await userImports.insertAll(newcomers, now));
    await audit.append(
      auditEvent(deps, {
        kind: 'account.import',
        outcome: 'success',
        ...(actor.id === undefined ? {} : { actorId: actor.id }),
        origin,
        details: { ...countsOf(results), ...given(newcomers, results) },
      }),
    );
    return results;
  });
}

function isNewcomer(item: NewImportedUser | ImportRefusal): item is NewImportedUser {
  return 'id' in item;
}

function resultsOf(
  users: readonly ImportedUser[],
  items: ReadonlyArray<NewImportedUser | ImportRefusal>,
  fates: readonly ImportFate[],
  isKept: boolean,
): readonly ImportResult[] {
  const rest = fates.values();
  return items.map((item, index) =>
    isNewcomer(item) ? resultOf(item, rest.next().value, isKept) : refused(users[index], item),
  );
}

function refused(user: ImportedUser | undefined, refusal: ImportRefusal): ImportResult {
  const isNamed = refusal.violations.every(({ field }) => field !== 'external_id');
  return { outcome: 'refused', externalId: isNamed ? (user?.externalId ?? '') : '', ...refusal };
}

function resultOf(user: NewImportedUser, fate: ImportFate | undefined, isKept: boolean): ImportResult {
  const { externalId } = user;
  if (fate === undefined) throw new Error('the store did not answer what became of an account');
  if (fate.fate === 'created')
    return { outcome: 'created', externalId, userId: isKept ? user.id : undefined };
  if (fate.fate === 'unchanged') return { outcome: 'unchanged', externalId, userId: fate.userId };
  return { outcome: 'refused', externalId, ...refusalOf(fate) };
}

function refusalOf(fate: Exclude<ImportFate, { fate: 'created' | 'unchanged' }>): ImportRefusal {
  if (fate.fate === 'role_not_found') {
    const { reason, description } = NO_SUCH_ROLE;
    return { reason, violations: [{ field: 'role', description }] };
  }
  const taken = [...(fate.emailTaken ? ['email'] : []), ...(fate.usernameTaken ? ['username'] : [])];
  return {
    reason: fate.emailTaken ? 'EMAIL_TAKEN' : 'USERNAME_TAKEN',
    violations: taken.map((field) => ({ field, description: 'is taken' })),
  };
}

// Which roles were given and why the others were refused, for readers of the log.
function given(
  newcomers: readonly NewImportedUser[],
  results: readonly ImportResult[],
): Record<'roles' | 'reasons', string> {
  const created = new Set(
    results.map((result) => (result.outcome === 'created' ? result.userId : undefined)),
  );
  return {
    roles: tally(newcomers.filter(({ id }) => created.has(id)).map(({ role }) => role)),
    reasons: tally(results.flatMap((result) => (result.outcome === 'refused' ? [result.reason] : []))),
  };
}

/** How often each is among them, like `admin=2 user=998`. */
function tally(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .map(([name, count]) => `${name}=${count}`)
    .toSorted()
    .join(' ');
}

function countsOf(results: readonly ImportResult[]): Record<ImportResult['outcome'], string> {
  const count = (outcome: ImportResult['outcome']) =>
    String(results.filter((result) => result.outcome === outcome).length);
  return { created: count('created'), unchanged: count('unchanged'), refused: count('refused') };
}
