// AdminService: what the accounts of others are entered by, and their sessions.

import { create } from '@bufbuild/protobuf';
import type { ResetCredentialsDeps, UnlockUserDeps } from '../../../domain/managed-user/reset-credentials.ts';
import {
  forcePasswordReset,
  resetUserMfa,
  unlockUser,
} from '../../../domain/managed-user/reset-credentials.ts';
import type { RevokeUserSessionsDeps } from '../../../domain/managed-user/revoke-user-sessions.ts';
import { revokeUserSessions } from '../../../domain/managed-user/revoke-user-sessions.ts';
import type { PageTokenCodec } from '../../../domain/paging.ts';
import type { ListSessionsDeps } from '../../../domain/session/list-sessions.ts';
import { listSessions } from '../../../domain/session/list-sessions.ts';
import type { AdminService } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import {
  ForcePasswordResetResponseSchema,
  ListUserSessionsResponseSchema,
  ResetUserMfaResponseSchema,
  RevokeUserSessionsResponseSchema,
  UnlockUserResponseSchema,
} from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeSession } from '../../messages/encode.ts';
import { PAGE_SIZE, readPosition, writePosition } from '../../messages/page-token.ts';
import { readAct, readReasonedAct } from '../../messages/operator-act.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type ManagedCredentialHandlersDeps = ResetCredentialsDeps &
  UnlockUserDeps &
  RevokeUserSessionsDeps &
  ListSessionsDeps & { readonly pageTokenCodec: PageTokenCodec };

/** AdminService: what the accounts of others are entered by, and their sessions. */
export function managedCredentialHandlers(
  deps: ManagedCredentialHandlersDeps,
): Pick<
  ServiceHandlers<typeof AdminService>,
  'unlockUser' | 'forcePasswordReset' | 'resetUserMfa' | 'listUserSessions' | 'revokeUserSessions'
> {
  return {
    async unlockUser(request, call) {
      const reader = new RequestReader();
      const input = readAct(reader, request, call);
      reader.finish();
      await unlockUser(deps, input);
      return create(UnlockUserResponseSchema);
    },

    async forcePasswordReset(request, call) {
      const reader = new RequestReader();
      const input = readReasonedAct(reader, request, call);
      reader.finish();
      await forcePasswordReset(deps, input);
      return create(ForcePasswordResetResponseSchema);
    },

    async resetUserMfa(request, call) {
      const reader = new RequestReader();
      const input = readReasonedAct(reader, request, call);
      reader.finish();
      await resetUserMfa(deps, input);
      return create(ResetUserMfaResponseSchema);
    },

    async listUserSessions(request, call) {
      const reader = new RequestReader();
      const userId = reader.uuid('user_id', request.userId);
      const pageSize = reader.pageSize('page_size', request.pageSize, PAGE_SIZE);
      reader.finish();
      const query = `user-sessions/${userId}`;
      const before = readPosition(deps.pageTokenCodec, query, request.pageToken);
      const { sessions, next } = await listSessions(deps, { userId, pageSize, before });
      const { sessionId } = call.requirePrincipal();
      return create(ListUserSessionsResponseSchema, {
        sessions: sessions.map((session) => encodeSession(session, sessionId)),
        nextPageToken: writePosition(deps.pageTokenCodec, query, next),
      });
    },

    async revokeUserSessions(request, call) {
      const reader = new RequestReader();
      const input = readAct(reader, request, call);
      const sessionId = request.sessionId === '' ? undefined : reader.uuid('session_id', request.sessionId);
      reader.finish();
      await revokeUserSessions(deps, { ...input, sessionId });
      return create(RevokeUserSessionsResponseSchema);
    },
  };
}
