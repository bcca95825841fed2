// Audits calls that an access rule denied to a known caller. No call waits for it, and a caller who tries again and again cannot flood the log.

import type { Principal } from '../access/principal.ts';
import type { Clock, NewId } from '../clock.ts';
import { DomainError } from '../errors.ts';
import type { ErrorReason } from '../errors.ts';
import type { AuditLog, CallOrigin } from './audit-event.ts';
import { auditEvent } from './record.ts';

/** How long the same caller, call and reason are not written down again. */
export const QUIET_MS = 60_000;
/** How many events are on their way to the log at most; what is refused meanwhile is not written down. */
export const MAX_UNDER_WAY = 32;
/** How many refusals are kept; the oldest are evicted first. */
export const MAX_NOTED = 10_000;

const ACCESS_REASONS: ReadonlySet<ErrorReason> = new Set([
  'INSUFFICIENT_SCOPE',
  'CREDENTIAL_NOT_ALLOWED',
  'STEP_UP_REQUIRED',
]);

/** A caller whose credential is valid, at the call that was refused. */
export type RefusedCall = {
  readonly principal: Principal;
  /** The RPC or the path. */
  readonly call: string;
  /** Worked out only when the refusal is written down. */
  readonly origin: () => CallOrigin;
};

export type AccessRefusalsDeps = {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly newId: NewId;
  /** Called when a refusal could not be written down, with the error. */
  readonly onFailure: (error: unknown) => void;
};

/** The refusals that this node has seen of late. */
export class AccessRefusals {
  readonly #deps: AccessRefusalsDeps;
  /** When each was written down, oldest first. */
  readonly #noted = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(deps: AccessRefusalsDeps) {
    this.#deps = deps;
  }

  /** Appends `access.refuse` when `thrown` is a refusal by an access rule. Returns at once and never throws. */
  note(thrown: unknown, refused: RefusedCall): void {
    if (!(thrown instanceof DomainError) || !ACCESS_REASONS.has(thrown.reason)) return;
    const key = `${thrown.reason} ${refused.call} ${refused.principal.subjectId}`;
    if (this.#isQuiet(key)) return;
    if (this.#underWay.size >= MAX_UNDER_WAY) {
      this.#deps.onFailure(new Error(`${MAX_UNDER_WAY} refusals are being written down already`));
      return;
    }
    this.#cache(key);
    const written = this.#append(key, thrown, refused).finally(() => this.#underWay.delete(written));
    this.#underWay.add(written);
  }

  /** Resolves when every refusal that was noted is written down, or has failed to be. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #append(key: string, refusal: DomainError, { principal, call, origin }: RefusedCall): Promise<void> {
    const { subjectId, kind, credential, credentialId } = principal;
    const event = auditEvent(this.#deps, {
      kind: 'access.refuse',
      outcome: 'refused',
      reason: refusal.reason,
      actorId: subjectId,
      ...(kind === 'user' ? { accountId: subjectId } : {}),
      origin: origin(),
      details: { rpc: call, credential, credential_id: credentialId, ...refusal.metadata },
    });
    try {
      await this.#deps.audit.append(event);
    } catch (error) {
      this.#noted.delete(key);
      this.#deps.onFailure(error);
    }
  }

  // A clock that was set back makes no refusal quiet for longer than it should be.
  #isQuiet(key: string): boolean {
    const age = this.#deps.clock.now() - (this.#noted.get(key) ?? -Infinity);
    return age >= 0 && age < QUIET_MS;
  }

  #cache(key: string): void {
    // Behind all others, for it is the newest.
    this.#noted.delete(key);
    const [oldest] = this.#noted.keys();
    if (oldest !== undefined && this.#noted.size >= MAX_NOTED) this.#noted.delete(oldest);
    this.#noted.set(key, this.#deps.clock.now());
  }
}
