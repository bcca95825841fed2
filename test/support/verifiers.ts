// Verifiers over a service under test, closed after the suite.

import { afterAll } from 'vitest';
import type { Verdict, Verifier, VerifierOptions } from '../../src/verifier/index.ts';
import { createVerifier } from '../../src/verifier/index.ts';
import type { TestService } from './service.ts';

/** `accepted`, or the outcome with its reason. */
export function wordOf(verdict: Verdict): string {
  return verdict.outcome === 'accepted' ? 'accepted' : `${verdict.outcome} ${verdict.reason}`;
}

/** What a verifier of `service` is made with. */
export function optionsFor(service: TestService): VerifierOptions {
  return {
    jwks: `${service.httpUrl}/.well-known/jwks.json`,
    issuer: service.app.config.ISSUER,
    audience: service.app.config.AUDIENCE,
    revocations: service.grpcUrl,
    apiKey: service.secrets?.gatewayApiKey ?? '',
  };
}

/** A way to make verifiers that are ready, and closed after the suite. */
export function verifierMaker(): (options: VerifierOptions) => Promise<Verifier> {
  const made: Verifier[] = [];
  afterAll(() => made.forEach((verifier) => verifier.close()));
  return async (options) => {
    const verifier = createVerifier(options);
    made.push(verifier);
    await verifier.ready();
    return verifier;
  };
}
