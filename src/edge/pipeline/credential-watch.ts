// Looks again and again whether the caller of a stream may still make the call: a stream outlives what was checked when it began.

import { isStillGood } from '../../domain/token/assess-token.ts';
import type { AccessRule } from './access-table.ts';
import type { Call } from './call.ts';
import type { PipelineDeps } from './pipeline.ts';
import type { RoleDirectory } from '../../domain/access/role.ts';
import type { RevocationIndex } from '../../domain/revocation/revocation-index.ts';
import { authenticated, requireMayCall } from './caller.ts';

export type CredentialWatchDeps = Pick<PipelineDeps, 'authenticate' | 'clock' | 'accessRefusals'> & {
  readonly revocationIndex: Pick<RevocationIndex, 'isFresh' | 'isRevoked' | 'minVersionOf'>;
  readonly roleDirectory: Pick<RoleDirectory, 'version'>;
  /** Its version rises whenever a signing key leaves. */
  readonly keyset: { readonly version: number };
};

/** The credential of one stream. */
export class CredentialWatch {
  readonly #deps: CredentialWatchDeps;
  readonly #rule: AccessRule;
  readonly #call: Call;
  #rolesVersion: number;
  #keysetVersion: number;

  constructor(deps: CredentialWatchDeps, rule: AccessRule, call: Call) {
    this.#deps = deps;
    this.#rule = rule;
    this.#call = call;
    this.#rolesVersion = deps.roleDirectory.version;
    this.#keysetVersion = deps.keyset.version;
  }

  /** Whether nothing that the access step looked at has changed; true for a caller without credential. */
  get holds(): boolean {
    const { revocationIndex, roleDirectory, keyset, clock } = this.#deps;
    const { principal } = this.#call;
    if (principal === undefined) return true;
    const isSame = this.#rolesVersion === roleDirectory.version && this.#keysetVersion === keyset.version;
    return isSame && revocationIndex.isFresh() && isStillGood(revocationIndex, principal, clock.now());
  }

  /** The access step once more, where something has changed. Errors: those of `authenticate` and `requireAccess`. */
  async check(): Promise<void> {
    if (this.holds) return;
    const { version: rolesVersion } = this.#deps.roleDirectory;
    const { version: keysetVersion } = this.#deps.keyset;
    const principal = await authenticated(this.#deps, this.#call);
    if (this.#rule.mode === 'guarded') requireMayCall(this.#deps, this.#rule, principal, this.#call);
    this.#call.principal = principal;
    this.#rolesVersion = rolesVersion;
    this.#keysetVersion = keysetVersion;
  }
}
