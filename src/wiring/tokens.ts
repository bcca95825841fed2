// Signing keys, access tokens, and the codecs of everything that callers carry.

import { accessTokenSigner, CachingVerifier } from '../crypto/tokens/access-token-codec.ts';
import { accessTokenSizer } from '../crypto/tokens/access-token-size.ts';
import { actionTokenCodec } from '../crypto/tokens/action-token-codec.ts';
import { auditCursorCodec, watchCursorCodec } from '../crypto/tokens/cursor-codecs.ts';
import { deviceTokenCodec } from '../crypto/tokens/device-token-codec.ts';
import { pageTokenCodec } from '../crypto/tokens/page-token-codec.ts';
import { refreshTokenCodec } from '../crypto/tokens/refresh-token-codec.ts';
import { Keyset } from '../crypto/keys/keyset.ts';
import { signingKeyMaker } from '../crypto/keys/signing-keys.ts';
import type { Base } from './base.ts';

/** What signs, verifies, writes and reads tokens, and how long they live. */
export function wireTokens({ config, logger, clock, keyring, stores, secrets }: Base) {
  const keyset = new Keyset({ signingKeys: stores.signingKeys, sealer: keyring, clock });
  const { ISSUER: issuer, AUDIENCE: audience } = config;
  const verifier = new CachingVerifier({ keyset, clock, issuer, maxCacheBytes: config.TOKEN_CACHE_BYTES });
  return {
    keyset,
    onKeysetFailure: (error: unknown) =>
      logger.warn({ err: error }, 'changed signing keys not read yet; the next look is a second away'),
    newSigningKey: signingKeyMaker(keyring),
    signingAlgorithm: config.SIGNING_ALGORITHM,
    rotationMs: config.SIGNING_KEY_ROTATION,
    accessTokenSigner: accessTokenSigner({ keyset, issuer }),
    accessTokenVerifier: verifier,
    cachedTokens: verifier,
    accessTokenSizer: accessTokenSizer({ issuer, audience }),
    refreshTokenCodec: refreshTokenCodec(secrets['refresh-token']),
    deviceTokenCodec: deviceTokenCodec(secrets['device-token']),
    deviceTokenTtlMs: config.DEVICE_TOKEN_TTL,
    actionTokenCodec,
    pageTokenCodec: pageTokenCodec(keyring),
    watchCursorCodec: watchCursorCodec(keyring),
    auditCursorCodec: auditCursorCodec(keyring),
    audience,
    tokenPolicy: {
      audience,
      accessTokenTtlMs: config.ACCESS_TOKEN_TTL,
      refreshTokenTtlMs: config.REFRESH_TOKEN_TTL,
      sessionMaxAgeMs: config.SESSION_MAX_AGE,
      refreshGraceMs: config.REFRESH_GRACE,
    },
  };
}
