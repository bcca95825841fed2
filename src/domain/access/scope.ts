// Scopes: permissions that a credential carries (RFC 6749, section 3.3).

import type { Violations } from '../text.ts';

/** No request names more scopes. */
export const MAX_SCOPES = 100;

const SCOPE_TOKEN = /^[\x21\x23-\x5B\x5D-\x7E]{1,100}$/;

/** The requested scopes without repeats; notes each rule broken. */
export function readScopes(violations: Violations, field: string, raw: readonly string[]): readonly string[] {
  if (raw.length > MAX_SCOPES) {
    violations.add(field, `must hold at most ${MAX_SCOPES} scopes`);
    return [];
  }
  raw.forEach((scope, index) => {
    if (SCOPE_TOKEN.test(scope)) return;
    violations.add(
      `${field}[${index}]`,
      'must be 1 to 100 printable ASCII characters without space, quote and backslash',
    );
  });
  return [...new Set(raw)];
}

/** Those of `scopes` that `granted` holds, in the order of `scopes`. */
export function intersectScopes(scopes: readonly string[], granted: ReadonlySet<string>): readonly string[] {
  return scopes.every((scope) => granted.has(scope)) ? scopes : scopes.filter((scope) => granted.has(scope));
}
