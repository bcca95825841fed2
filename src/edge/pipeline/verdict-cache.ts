// Caches what ValidateToken answered, so that the same question by the same caller costs one hash and a look at what was revoked.

import { hash } from 'node:crypto';
import type { Message } from '@bufbuild/protobuf';
import type { Principal } from '../../domain/access/principal.ts';
import type { RoleDirectory } from '../../domain/access/role.ts';
import type { ApiKeyUsage } from '../../domain/api-key/api-key-usage.ts';
import type { Clock } from '../../domain/clock.ts';
import type { RevocationIndex } from '../../domain/revocation/revocation-index.ts';
import { isStillGood } from '../../domain/token/assess-token.ts';
import type { Call, Transport } from './call.ts';

/** How long a caller without the revocation feed may keep a verdict. */
export const VERDICT_TTL_MS = 5_000;

/** After so long the question is answered anew, whatever is cached. */
const MAX_AGE_MS = 10_000;
const MAX_ENTRIES = 20_000;

export type VerdictCacheDeps = {
  readonly revocationIndex: Pick<RevocationIndex, 'isFresh' | 'isRevoked' | 'minVersionOf'>;
  readonly roleDirectory: Pick<RoleDirectory, 'version'>;
  /** Its version rises whenever a key leaves. */
  readonly keyset: { readonly version: number };
  readonly apiKeyUsage: Pick<ApiKeyUsage, 'note'>;
  readonly clock: Clock;
};

type Entry = {
  readonly response: Message;
  /** Undefined where anyone may ask. */
  readonly caller: Principal | undefined;
  readonly subject: Principal;
  readonly rolesVersion: number;
  readonly keysetVersion: number;
  readonly until: number;
};

/**
 * Answers by the SHA-256 of credential and request together. Expiry, revocation and epoch of the caller and of the token asked about, and what
 * roles grant, and whether a signing key has left, are checked on every look; what does not hold any more is evicted, and the full pipeline answers.
 */
export class VerdictCache {
  readonly #deps: VerdictCacheDeps;
  readonly #entries = new Map<string, Entry>();

  constructor(deps: VerdictCacheDeps) {
    this.#deps = deps;
  }

  /** The answer that still holds; undefined when there is none. */
  find(transport: Transport): Message | undefined {
    const fingerprint = fingerprintOf(transport);
    if (fingerprint === undefined) return undefined;
    const entry = this.#entries.get(fingerprint);
    if (entry === undefined) return undefined;
    if (!this.#holds(entry)) {
      this.#entries.delete(fingerprint);
      return undefined;
    }
    this.#countUse(entry.caller);
    this.#countUse(entry.subject);
    return entry.response;
  }

  /**
   * Stores the answer to an active token, as long as its `cache_ttl` would be the same. Not for a caller who is bound to networks: the
   * same question may come from elsewhere next time.
   */
  store(call: Call, subject: Principal, response: Message): void {
    if (call.principal?.isNetworkBound === true) return;
    const fingerprint = fingerprintOf(call.transport);
    if (fingerprint === undefined) return;
    const lastSame = subject.expiresAt === undefined ? Infinity : subject.expiresAt - VERDICT_TTL_MS;
    const until = Math.min(this.#deps.clock.now() + MAX_AGE_MS, lastSame);
    const { version: rolesVersion } = this.#deps.roleDirectory;
    const { version: keysetVersion } = this.#deps.keyset;
    if (this.#entries.size >= MAX_ENTRIES) this.#evictOldest();
    this.#entries.set(fingerprint, {
      response,
      caller: call.principal,
      subject,
      rolesVersion,
      keysetVersion,
      until,
    });
  }

  #holds({ caller, subject, rolesVersion, keysetVersion, until }: Entry): boolean {
    const { clock, revocationIndex, roleDirectory, keyset } = this.#deps;
    const now = clock.now();
    return (
      now < until &&
      rolesVersion === roleDirectory.version &&
      keysetVersion === keyset.version &&
      revocationIndex.isFresh() &&
      (caller === undefined || isStillGood(revocationIndex, caller, now)) &&
      isStillGood(revocationIndex, subject, now)
    );
  }

  #countUse(principal: Principal | undefined): void {
    if (principal?.credential === 'api_key') this.#deps.apiKeyUsage.note(principal.credentialId);
  }

  #evictOldest(): void {
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}

// Every header that a credential may stand in counts, and whether it is there: what one caller asked is no answer to another, least of all to
// one who shows nothing. No header holds a line feed, so that no two calls run together into the same text.
function fingerprintOf(transport: Transport): string | undefined {
  const { requestBytes } = transport;
  const authorization = transport.headerValues('authorization');
  const apiKey = transport.headerValues('x-api-key');
  if (requestBytes === undefined || authorization.length > 1 || apiKey.length > 1) return undefined;
  const shown = `${authorization.length}${authorization[0] ?? ''}\n${apiKey[0] ?? ''}\n`;
  return hash('sha256', shown + requestBytes.toString('latin1'), 'base64');
}
