// AuthService: decode → use case → encode.

import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { readScopes } from '../../../domain/access/scope.ts';
import type { AddressParser } from '../../../domain/account/email-address.ts';
import type { RegisterDeps } from '../../../domain/account/register.ts';
import { register } from '../../../domain/account/register.ts';
import type { PublicJwk } from '../../../domain/keyset/signing-key.ts';
import { JWKS_CACHE_MS } from '../../../domain/keyset/signing-key.ts';
import type { EndSessionDeps } from '../../../domain/session/end-session.ts';
import { endSession, logoutAll } from '../../../domain/session/end-session.ts';
import type { LoginDeps } from '../../../domain/session/login.ts';
import { login } from '../../../domain/session/login.ts';
import type { RefreshDeps } from '../../../domain/session/refresh.ts';
import { refreshTogether } from '../../../domain/session/refresh-together.ts';
import type { AssessDeps } from '../../../domain/token/assess-token.ts';
import type { RevokeTokenDeps } from '../../../domain/token/revoke-token.ts';
import { revokeToken } from '../../../domain/token/revoke-token.ts';
import type { AuthService } from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import {
  GetJwksResponseSchema,
  LoginResponseSchema,
  LogoutAllResponseSchema,
  LogoutResponseSchema,
  RefreshTokenResponseSchema,
  RegisterResponseSchema,
  RevokeTokenResponseSchema,
} from '../../../../gen/latchkey/v1/auth_service_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import { encodeLoginOutcome, encodeTokenSet, encodeUser } from '../../messages/encode.ts';
import type { CheckPasswordHandlersDeps } from './check-password.ts';
import { checkPasswordHandlers } from './check-password.ts';
import { giveDevice, readDeviceTokens } from '../device-token.ts';
import type { EmailVerificationHandlersDeps } from './email-verification.ts';
import { emailVerificationHandlers } from './email-verification.ts';
import type { ExchangeApiKeyHandlersDeps } from './exchange-api-key.ts';
import { exchangeApiKeyHandlers } from './exchange-api-key.ts';
import type { ServiceHandlers } from '../handlers.ts';
import type { PasswordResetHandlersDeps } from './password-reset.ts';
import { passwordResetHandlers } from './password-reset.ts';
import type { VerifyMfaHandlersDeps } from './verify-mfa.ts';
import { verifyMfaHandlers } from './verify-mfa.ts';
import type { ReauthenticationHandlersDeps } from './reauthentication.ts';
import { reauthenticationHandlers } from './reauthentication.ts';
import { validationHandlers } from './validate-token.ts';
import type { WatchRevocationsHandlersDeps } from './watch-revocations.ts';
import { watchRevocationsHandlers } from './watch-revocations.ts';

export type AuthServiceDeps = RegisterDeps &
  LoginDeps &
  RefreshDeps &
  EndSessionDeps &
  RevokeTokenDeps &
  AssessDeps &
  CheckPasswordHandlersDeps &
  EmailVerificationHandlersDeps &
  ExchangeApiKeyHandlersDeps &
  PasswordResetHandlersDeps &
  ReauthenticationHandlersDeps &
  WatchRevocationsHandlersDeps &
  VerifyMfaHandlersDeps & {
    readonly parseAddress: AddressParser;
    readonly keyset: { publicKeys(): readonly PublicJwk[] };
  };

/** The handlers of AuthService. */
export function authServiceHandlers(deps: AuthServiceDeps): ServiceHandlers<typeof AuthService> {
  const refresh = refreshTogether(deps);
  return {
    ...validationHandlers(deps),
    ...checkPasswordHandlers(deps),
    ...emailVerificationHandlers(deps),
    ...exchangeApiKeyHandlers(deps),
    ...passwordResetHandlers(deps),
    ...reauthenticationHandlers(deps),
    ...verifyMfaHandlers(deps),
    ...watchRevocationsHandlers(deps),

    async register(request, call) {
      const reader = new RequestReader();
      const email = reader.email(deps.parseAddress, 'email', request.email);
      const username = reader.optionalUsername('username', request.username);
      const fullName = reader.text(request.fullName, { field: 'full_name', min: 1, max: 200, name: true });
      const owner = { email: email.text, username: username?.text, fullName };
      const password = reader.chosenPassword(deps, 'password', request.password, owner);
      reader.finish();
      await call.charge();
      const { origin, signal } = call;
      const user = await register(
        { ...deps, rateLimiter: call.noting(deps.rateLimiter) },
        { email, username, password, fullName, origin, signal },
      );
      return create(RegisterResponseSchema, { user: encodeUser(user) });
    },

    async login(request, call) {
      const reader = new RequestReader();
      const input = {
        identifier: reader.text(request.identifier, { field: 'identifier', min: 1, max: 254 }),
        password: reader.currentPassword('password', request.password),
        deviceTokens: readDeviceTokens(reader, request.deviceToken, call),
        scopes: readScopes(reader, 'scopes', request.scopes),
        deviceName: reader.text(request.deviceName, { field: 'device_name', max: 100, name: true }),
        useCookie: request.useCookie,
        origin: call.origin,
        // Made when a call waits for it: most logins of a flood are refused before.
        get signal() {
          return call.signal;
        },
      };
      const obstacle = request.useCookie ? call.cookieObstacle : undefined;
      if (obstacle !== undefined) reader.add('use_cookie', obstacle);
      reader.finish();
      await call.charge();
      const outcome = await login({ ...deps, rateLimiter: call.noting(deps.rateLimiter) }, input);
      const deviceToken = 'challenge' in outcome ? '' : giveDevice(call, outcome);
      return create(LoginResponseSchema, { ...encodeLoginOutcome(outcome), deviceToken });
    },

    async refreshToken(request, call) {
      const reader = new RequestReader();
      const refreshToken = reader.token('refresh_token', request.refreshToken);
      const scopes = readScopes(reader, 'scopes', request.scopes);
      reader.finish();
      await call.charge();
      const tokens = await refresh({ refreshToken, scopes, origin: call.origin });
      return create(RefreshTokenResponseSchema, { tokens: encodeTokenSet(tokens) });
    },

    async logout(_request, call) {
      const { subjectId, sessionId } = call.requirePrincipal();
      if (sessionId !== undefined) {
        await endSession(deps, { userId: subjectId, sessionId, kind: 'session.logout', origin: call.origin });
      }
      call.clearOwnCookie();
      return create(LogoutResponseSchema);
    },

    async logoutAll({ revokeApiKeys }, call) {
      await logoutAll(deps, {
        userId: call.requirePrincipal().subjectId,
        revokeApiKeys,
        origin: call.origin,
      });
      call.clearOwnCookie();
      return create(LogoutAllResponseSchema);
    },

    async revokeToken(request, call) {
      const reader = new RequestReader();
      const token = reader.token('token', request.token);
      reader.finish();
      await call.charge();
      await revokeToken(deps, { token, origin: call.origin });
      return create(RevokeTokenResponseSchema);
    },

    async getJwks() {
      const keys = deps.keyset.publicKeys();
      return create(GetJwksResponseSchema, {
        jwksJson: JSON.stringify({ keys }),
        keys: keys.map((key) => ({ ...key })),
        cacheTtl: durationFromMs(JWKS_CACHE_MS),
      });
    },
  };
}
