// UserService: decode → use case → encode.

import { create } from '@bufbuild/protobuf';
import { getUser } from '../../../domain/account/get-user.ts';
import type { PageTokenCodec } from '../../../domain/paging.ts';
import type { EndSessionDeps } from '../../../domain/session/end-session.ts';
import { revokeSession } from '../../../domain/session/end-session.ts';
import type { ListSessionsDeps } from '../../../domain/session/list-sessions.ts';
import { listSessions } from '../../../domain/session/list-sessions.ts';
import type { UserService } from '../../../../gen/latchkey/v1/user_service_pb.ts';
import {
  GetMeResponseSchema,
  ListSessionsResponseSchema,
  RevokeSessionResponseSchema,
} from '../../../../gen/latchkey/v1/user_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeSession, encodeUser } from '../../messages/encode.ts';
import { PAGE_SIZE, readPosition, writePosition } from '../../messages/page-token.ts';
import type { ApiKeyHandlersDeps } from './api-keys.ts';
import { apiKeyHandlers } from './api-keys.ts';
import type { ChangePasswordHandlersDeps } from './change-password.ts';
import { changePasswordHandlers } from './change-password.ts';
import type { EmailChangeHandlersDeps } from './email-change.ts';
import { emailChangeHandlers } from './email-change.ts';
import type { ServiceHandlers } from '../handlers.ts';
import type { ProfileHandlersDeps } from './profile.ts';
import { profileHandlers } from './profile.ts';
import type { SecurityEventHandlersDeps } from './security-events.ts';
import { securityEventHandlers } from './security-events.ts';
import type { TotpHandlersDeps } from './totp.ts';
import { totpHandlers } from './totp.ts';

export type UserServiceDeps = ListSessionsDeps &
  EndSessionDeps &
  ApiKeyHandlersDeps &
  ChangePasswordHandlersDeps &
  EmailChangeHandlersDeps &
  ProfileHandlersDeps &
  SecurityEventHandlersDeps &
  TotpHandlersDeps & { readonly pageTokenCodec: PageTokenCodec };

/** The handlers of UserService. */
export function userServiceHandlers(deps: UserServiceDeps): ServiceHandlers<typeof UserService> {
  return {
    ...apiKeyHandlers(deps),
    ...changePasswordHandlers(deps),
    ...emailChangeHandlers(deps),
    ...profileHandlers(deps),
    ...securityEventHandlers(deps),
    ...totpHandlers(deps),

    async getMe(_request, call) {
      const user = await getUser(deps, call.requirePrincipal().subjectId);
      return create(GetMeResponseSchema, { user: encodeUser(user) });
    },

    async listSessions(request, call) {
      const { subjectId, sessionId } = call.requirePrincipal();
      const query = `sessions/${subjectId}`;
      const reader = new RequestReader();
      const pageSize = reader.pageSize('page_size', request.pageSize, PAGE_SIZE);
      reader.finish();
      const before = readPosition(deps.pageTokenCodec, query, request.pageToken);
      const { sessions, next } = await listSessions(deps, { userId: subjectId, pageSize, before });
      return create(ListSessionsResponseSchema, {
        sessions: sessions.map((session) => encodeSession(session, sessionId)),
        nextPageToken: writePosition(deps.pageTokenCodec, query, next),
      });
    },

    async revokeSession(request, call) {
      const reader = new RequestReader();
      const sessionId = reader.uuid('session_id', request.sessionId);
      reader.finish();
      await revokeSession(deps, {
        userId: call.requirePrincipal().subjectId,
        sessionId,
        origin: call.origin,
      });
      return create(RevokeSessionResponseSchema);
    },
  };
}
