// Wires the caches of API keys, session cookies and roles, and the attempts of refreshes that got no answer.

import { apiKeyCodec } from '../crypto/tokens/api-key-codec.ts';
import { sessionCookieCodec } from '../crypto/tokens/session-cookie-codec.ts';
import { RoleDirectory } from '../domain/access/role.ts';
import { ApiKeyDirectory } from '../domain/api-key/api-key-directory.ts';
import { ApiKeyUsage } from '../domain/api-key/api-key-usage.ts';
import { SessionDirectory } from '../domain/session/session-directory.ts';
import { UnansweredRefreshes } from '../domain/session/unanswered-refreshes.ts';
import type { Base } from './base.ts';
import type { wireLimits } from './limits.ts';
import type { wireRevocation } from './revocation.ts';
import type { wireTokens } from './tokens.ts';

type Wired = Base &
  Pick<ReturnType<typeof wireRevocation>, 'revocationIndex'> &
  Pick<ReturnType<typeof wireLimits>, 'rateLimiter'> &
  Pick<ReturnType<typeof wireTokens>, 'tokenPolicy'>;

/** The directories of keys, sessions and roles. */
export function wireCredentials(wired: Wired) {
  const { config, logger, clock, stores, secrets, revocationIndex, rateLimiter, tokenPolicy } = wired;
  const outageGraceMs = config.DATABASE_OUTAGE_GRACE;
  const apiKeys = apiKeyCodec(secrets['api-key']);
  const cookies = sessionCookieCodec(secrets['session-cookie']);
  return {
    apiKeyCodec: apiKeys,
    apiKeyDirectory: new ApiKeyDirectory({
      apiKeys: stores.apiKeys,
      apiKeyCodec: apiKeys,
      revocationIndex,
      clock,
      outageGraceMs,
      rateLimiter,
    }),
    apiKeyUsage: new ApiKeyUsage({ apiKeys: stores.apiKeys, clock }),
    onKeyOutsideNetworks: (apiKey: string, ip: string) =>
      logger.warn({ apiKey, ip }, 'API key refused: shown from outside its networks'),
    sessionCookieCodec: cookies,
    sessionDirectory: new SessionDirectory({
      sessions: stores.sessions,
      sessionCookieCodec: cookies,
      tokenPolicy,
      revocationIndex,
      clock,
      outageGraceMs,
      onTouchFailure: (error) =>
        logger.warn({ err: error }, 'use of a session not noted; the next one will be'),
    }),
    unansweredRefreshes: new UnansweredRefreshes(),
    roleDirectory: new RoleDirectory(),
    onRolesUnread: (error: unknown) =>
      logger.warn({ err: error }, 'changed roles not read; the next poll brings them'),
  };
}
