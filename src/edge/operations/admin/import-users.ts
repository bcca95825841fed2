// AdminService: accounts from other systems.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { actorOf } from '../../../domain/access/authority.ts';
import { DomainError, validationFailed } from '../../../domain/errors.ts';
import { DryRun } from '../../../domain/user-import/dry-run.ts';
import type { ImportedUser } from '../../../domain/user-import/imported-user.ts';
import type { ImportResult, ImportUsersDeps } from '../../../domain/user-import/import-users.ts';
import { importUsers, MAX_BATCH } from '../../../domain/user-import/import-users.ts';
import { twoAtOnce } from '../../../domain/user-import/two-at-once.ts';
import type { AdminService, ImportUsersRequest } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import { ImportUsersResponseSchema } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import type { ImportedUser as ImportedUserMessage } from '../../../../gen/latchkey/v1/user_import_pb.ts';
import type { ImportResultSchema } from '../../../../gen/latchkey/v1/user_import_pb.ts';
import { ImportOutcome } from '../../../../gen/latchkey/v1/user_import_pb.ts';
import type { Call } from '../../pipeline/call.ts';
import { RequestReader } from '../../messages/decode.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type ImportUsersHandlersDeps = ImportUsersDeps;

/** How many accounts one call holds at most. */
const MAX_CALL = 10_000;
/** Once the answer has about so many bytes it names no more fields and external ids, so that it stays within what a message may hold. */
const DETAIL_BYTES = 2_000_000;

type Batch = { readonly users: readonly ImportedUser[]; readonly dryRun: DryRun | undefined };

/** AdminService: accounts from other systems. */
export function importUsersHandlers(
  deps: ImportUsersHandlersDeps,
): Pick<ServiceHandlers<typeof AdminService>, 'importUsers'> {
  return {
    async importUsers(requests, call) {
      const { origin } = call;
      const answer = new Answer();
      try {
        const taken = twoAtOnce(
          batchesOf(requests),
          ({ users }) => users,
          (batch) => importUsers(deps, { ...batch, actor: actorNow(call), origin }),
        );
        for await (const results of taken) answer.add(results);
      } catch (error) {
        throw withProgress(error, answer.results.length);
      }
      return create(ImportUsersResponseSchema, {
        created: BigInt(answer.counts.created),
        unchanged: BigInt(answer.counts.unchanged),
        refused: BigInt(answer.counts.refused),
        results: answer.results,
      });
    },
  };
}

// Asked for each batch: what the credential carries may have changed meanwhile, or the call may be over.
function actorNow(call: Call) {
  const { signal } = call;
  if (signal.aborted) throw signal.reason instanceof DomainError ? signal.reason : callEnded();
  return actorOf(call.requirePrincipal());
}

function callEnded(): DomainError {
  return new DomainError('CALL_CANCELLED', 'The call has ended.');
}

async function* batchesOf(requests: AsyncIterable<ImportUsersRequest>): AsyncGenerator<Batch> {
  let dryRun: DryRun | undefined;
  let isFirst = true;
  let count = 0;
  for await (const request of requests) {
    if (request.dryRun && !isFirst && dryRun === undefined) throw dryRunTooLate();
    if (isFirst && request.dryRun) dryRun = new DryRun();
    isFirst = false;
    const { length } = request.users;
    if (length > MAX_BATCH) throw tooMany(`must have at most ${MAX_BATCH} items a message`);
    count += length;
    if (count > MAX_CALL) throw tooMany(`must have at most ${MAX_CALL} items a call`);
    if (length > 0) yield { users: request.users.map(decodeUser), dryRun };
  }
}

function dryRunTooLate(): DomainError {
  return validationFailed([{ field: 'dry_run', description: 'must be asked for in the first message' }]);
}

function tooMany(description: string): DomainError {
  return validationFailed([{ field: 'users', description }]);
}

function decodeUser(user: ImportedUserMessage): ImportedUser {
  const reader = new RequestReader();
  const time = (field: string, raw: ImportedUserMessage['createTime']) =>
    raw === undefined ? undefined : (reader.time(field, raw) ?? Number.NaN);
  return {
    externalId: user.externalId,
    email: user.email,
    emailVerified: user.emailVerified,
    username: user.username,
    fullName: user.fullName,
    role: user.role,
    suspended: user.suspended,
    passwordHash: user.passwordHash,
    createTime: time('create_time', user.createTime),
    lastLoginTime: time('last_login_time', user.lastLoginTime),
  };
}

/** The results of a call as they gather. */
class Answer {
  readonly counts = { created: 0, unchanged: 0, refused: 0 };
  readonly results: Array<MessageInitShape<typeof ImportResultSchema>> = [];
  #detailBytes = 0;

  add(results: readonly ImportResult[]): void {
    for (const result of results) {
      this.counts[result.outcome] += 1;
      this.results.push(this.#encode(result));
    }
  }

  #encode(result: ImportResult) {
    const index = BigInt(this.results.length);
    const fate =
      result.outcome === 'refused'
        ? { outcome: ImportOutcome.REFUSED, reason: result.reason }
        : {
            outcome: result.outcome === 'created' ? ImportOutcome.CREATED : ImportOutcome.UNCHANGED,
            userId: result.userId ?? '',
          };
    if (this.#detailBytes >= DETAIL_BYTES) return { index, ...fate };
    const violations =
      result.outcome === 'refused' ? result.violations.map((violation) => ({ ...violation })) : [];
    const { externalId } = result;
    for (const text of [externalId, ...violations.flatMap(({ field, description }) => [field, description])])
      this.#detailBytes += Buffer.byteLength(text);
    return { index, externalId, violations, ...fate };
  }
}

// What came before is kept, and the error says how many items, so that the caller can resume there.
function withProgress(error: unknown, count: number): unknown {
  if (!(error instanceof DomainError)) return error;
  const { reason, message, violations, retryAfterMs, metadata, cause } = error;
  return new DomainError(reason, `${message} (The first ${count} items have been taken.)`, {
    violations,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    metadata: { ...metadata, items_taken: String(count) },
    cause,
  });
}
