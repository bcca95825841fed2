// latchkey/verifier: what a gateway or a backend imports to tell by itself whether an access token is good now. See docs/verifier.md.

export type { AccessToken } from './access-token.ts';
export type { Clock } from './clock.ts';
export type { Endpoint } from './endpoint.ts';
export type { RefusalReason, Verdict, Verifier, VerifierOptions } from './verifier.ts';
export { createVerifier } from './verifier.ts';
