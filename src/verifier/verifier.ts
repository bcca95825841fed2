// Tells whether an access token is good now, without asking anyone at the time: signature, times, and what the feed says is revoked.

import { hash } from 'node:crypto';
import type { Transport } from '@connectrpc/connect';
import { LRUCache } from 'lru-cache';
import type { AccessToken } from './access-token.ts';
import { readSigned, timeFault } from './access-token.ts';
import type { Clock } from './clock.ts';
import type { Endpoint } from './endpoint.ts';
import { transportTo } from './endpoint.ts';
import { jwksFrom } from './jwks-source.ts';
import { KeySet, KeysUnavailableError } from './key-set.ts';
import { RevocationFeed } from './revocation-feed.ts';
import { RevocationIndex } from './revocation-index.ts';

export type VerifierOptions = {
  /** Where the public keys are: the URL of the service's JWKS, or a transport for GetJwks. */
  readonly jwks: string | URL | Transport;
  /** The service's LATCHKEY_ISSUER. */
  readonly issuer: string;
  /** Tokens for anyone else are refused. */
  readonly audience: string;
  /** Where WatchRevocations is called; of several nodes the next is asked when one fails. */
  readonly revocations: Endpoint | readonly Endpoint[];
  /** Of a service account with the scope `tokens:validate`. */
  readonly apiKey: string;
  /** How old the knowledge of what is revoked may be; 5 seconds unless told, and never less than 2. */
  readonly staleAfterMs?: number;
  readonly clock?: Clock;
  /** Told whenever keys or revocations could not be fetched; the verifier goes on trying. */
  readonly onFault?: (error: Error) => void;
};

/** Why a token is not good. */
export type RefusalReason = 'invalid' | 'expired' | 'not_yet_valid' | 'wrong_audience' | 'revoked';

export type Verdict =
  | { readonly outcome: 'accepted'; readonly token: AccessToken }
  | { readonly outcome: 'refused'; readonly reason: RefusalReason }
  /** Nobody can tell now: answer 503, not 401. */
  | { readonly outcome: 'unavailable'; readonly reason: 'revocations_stale' | 'keys_unavailable' };

/** A verifier at work. */
export type Verifier = {
  /** The verdict on an access token as it stands behind `Bearer `. Rejects for a bug of ours, and for nothing that a token holds. */
  verify(token: string): Promise<Verdict>;
  /** Resolves when the keys and the revocations are there for the first time. */
  ready(): Promise<void>;
  /** Whether the knowledge of what is revoked is fresh, for a readiness probe. */
  isFresh(): boolean;
  /** Ends the feed. What is verified later is `unavailable` soon. */
  close(): void;
};

const STALE_AFTER_MS = 5_000;
/** Heartbeats come each second. */
const MIN_STALE_AFTER_MS = 2_000;
const MAX_TOKEN_LENGTH = 16_384;
const MAX_REMEMBERED = 20_000;

/** Begins to fetch keys and to watch revocations. Errors: RangeError and TypeError for options that cannot be right. */
export function createVerifier(options: VerifierOptions): Verifier {
  const { clock = { now: () => Date.now() }, staleAfterMs = STALE_AFTER_MS } = options;
  const { onFault = () => undefined } = options;
  if (!(staleAfterMs >= MIN_STALE_AFTER_MS))
    throw new RangeError(`staleAfterMs must be ${MIN_STALE_AFTER_MS} or more`);
  const endpoints = isList(options.revocations) ? options.revocations : [options.revocations];
  if (endpoints.length === 0) throw new RangeError('revocations must name an endpoint');

  const index = new RevocationIndex(clock, staleAfterMs);
  const keySet = new KeySet({ fetchJwks: jwksFrom(options.jwks), clock, onFault });
  const transports = endpoints.map(transportTo);
  const { apiKey, issuer, audience } = options;
  const feed = new RevocationFeed({ transports, apiKey, index, clock, silenceMs: staleAfterMs, onFault });
  const judge = new Judge({ index, keySet, clock, issuer, audience });
  const closing = new AbortController();
  void keySet.load(closing.signal);
  void feed.run(closing.signal);
  return {
    verify: (token) => judge.verify(token),
    ready: async () => {
      await Promise.all([feed.firstFresh, keySet.firstLoaded]);
    },
    isFresh: () => index.isFresh(),
    close: () => closing.abort(),
  };
}

function isList(endpoints: VerifierOptions['revocations']): endpoints is readonly Endpoint[] {
  return Array.isArray(endpoints);
}

type JudgeDeps = {
  readonly index: RevocationIndex;
  readonly keySet: KeySet;
  readonly clock: Clock;
  readonly issuer: string;
  readonly audience: string;
};

const refused = (reason: RefusalReason): Verdict => ({ outcome: 'refused', reason });

/** Caches by their SHA-256 the tokens that were truly signed; all else is checked on every look. */
class Judge {
  readonly #deps: JudgeDeps;
  readonly #signed = new LRUCache<string, AccessToken>({ max: MAX_REMEMBERED });

  constructor(deps: JudgeDeps) {
    this.#deps = deps;
  }

  async verify(text: string): Promise<Verdict> {
    if (text.length > MAX_TOKEN_LENGTH) return refused('invalid');
    try {
      const token = await this.#read(text);
      return token === undefined ? refused('invalid') : this.#judge(token);
    } catch (error) {
      if (!(error instanceof KeysUnavailableError)) throw error;
      return { outcome: 'unavailable', reason: 'keys_unavailable' };
    }
  }

  async #read(text: string): Promise<AccessToken | undefined> {
    const { keySet, issuer } = this.#deps;
    const fingerprint = hash('sha256', text, 'base64');
    const known = this.#signed.get(fingerprint);
    // A key that was withdrawn takes its tokens with it.
    if (known !== undefined && keySet.get(known.keyId) !== undefined) return known;
    const token = await readSigned(keySet, issuer, text);
    if (token !== undefined && timeFault(token, this.#deps.clock.now()) === undefined)
      this.#signed.set(fingerprint, token);
    return token;
  }

  #judge(token: AccessToken): Verdict {
    const { index, clock, audience } = this.#deps;
    const fault = timeFault(token, clock.now());
    if (fault !== undefined) return refused(fault);
    if (!token.audience.includes(audience)) return refused('wrong_audience');
    if (!index.isFresh()) return { outcome: 'unavailable', reason: 'revocations_stale' };
    if (index.isRevoked(token)) return refused('revoked');
    return { outcome: 'accepted', token };
  }
}
