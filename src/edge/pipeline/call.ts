// One call as the pipeline and the handlers see it, whatever protocol brought it.

import { randomUUID } from 'node:crypto';
import type { Principal } from '../../domain/access/principal.ts';
import { keyBehind } from '../../domain/access/principal.ts';
import type { CallOrigin } from '../../domain/audit/audit-event.ts';
import { plainRequestId, plainUserAgent } from '../../domain/audit/call-origin.ts';
import { DomainError } from '../../domain/errors.ts';
import type { LimitState, RateLimiter } from '../../domain/limits/rate-limiter.ts';
import { noting, tighter } from '../../domain/limits/rate-limiter.ts';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import type { DeviceGrant } from '../../domain/lockout/device-token.ts';
import type { CookieGrant } from '../../domain/session/session-credentials.ts';
import type { ClientAddress } from './client-address.ts';
import type { CookieCarrier } from './session-cookie.ts';
import {
  CLEARING_COOKIE,
  cookieObstacle,
  cookieValues,
  DEVICE_COOKIE_NAME,
  SESSION_COOKIE_NAME,
  settingCookie,
  settingDeviceCookie,
} from './session-cookie.ts';

/** What an adapter knows of a call. */
export type Transport = CookieCarrier & {
  /** The values of a header, in order. Names are lower case. */
  headerValues(name: string): readonly string[];
  /** The request id, where the adapter has one already. */
  readonly requestId?: string;
  /** Milliseconds that the caller gives the call, where the protocol's library does not watch over them itself. */
  readonly timeoutMs: number | undefined;
  /** The address at the other end of the connection. */
  readonly peerAddress: string;
  /** Calls `listener` when the caller has gone or its deadline has passed; at once when it has already. */
  onCancelled(listener: () => void): void;
};

// gRPC reports every call that ends in an error as a cancelled one: without a reason of ours each would create an exception that is never read.
const GONE = 'the caller is gone';

/** What a service knows of all its calls. */
export type CallSetting = {
  readonly clientAddress: ClientAddress;
  readonly cookieOrigins: ReadonlySet<string>;
};

/** A call. What few calls ask for is worked out when it is asked for. */
export class Call {
  /** The name of the operation. */
  readonly operation: string;
  readonly transport: Transport;
  /** Set by the access step; undefined on public methods and for anonymous callers. */
  principal: Principal | undefined;
  /** The tightest of the limits that the call was counted toward, for the answer's headers; undefined when there was none. */
  limit: LimitState | undefined;
  /** The values of the answer's `set-cookie` headers. */
  readonly setCookies: string[] = [];
  readonly #setting: CallSetting;
  #requestId: string | undefined;
  #charge: (() => MaybePromise<void>) | undefined;
  #isCharged = false;
  #believesSender = false;
  #clientAddress: string | undefined;
  #controller: AbortController | undefined;
  #abortReason: unknown;

  constructor(operation: string, transport: Transport, setting: CallSetting) {
    this.operation = operation;
    this.transport = transport;
    this.#setting = setting;
  }

  /** The caller's `x-request-id` when it is a plain one, else one of ours. */
  get requestId(): string {
    if (this.#requestId === undefined) {
      this.#requestId =
        this.transport.requestId ??
        plainRequestId(this.transport.headerValues('x-request-id')[0]) ??
        randomUUID();
    }
    return this.#requestId;
  }

  /** Trusts the sender of the call about the address of its own client. */
  believeSender(): void {
    this.#believesSender = true;
    this.#clientAddress = undefined;
  }

  /** The address of the client, also behind trusted proxies. */
  get clientAddress(): string {
    if (this.#clientAddress === undefined) {
      const { peerAddress } = this.transport;
      const forwardedFor = this.transport.headerValues('x-forwarded-for');
      this.#clientAddress = this.#setting.clientAddress(peerAddress, forwardedFor, this.#believesSender);
    }
    return this.#clientAddress;
  }

  /** Where the call came from, for the audit log and the session list. */
  get origin(): CallOrigin {
    const apiKeyId = this.principal && keyBehind(this.principal);
    return {
      ...(apiKeyId === undefined ? {} : { apiKeyId }),
      ipAddress: this.clientAddress,
      userAgent: plainUserAgent(this.transport.headerValues('user-agent')[0]),
      requestId: this.requestId,
    };
  }

  /** Why the call can neither show a session cookie nor get one, as what is wrong with asking for it; undefined when it can. */
  get cookieObstacle(): string | undefined {
    return cookieObstacle(this.transport, this.#setting.cookieOrigins);
  }

  /** The values of the session cookie that count. */
  get sessionCookies(): readonly string[] {
    return cookieValues(SESSION_COOKIE_NAME, this.transport, this.#setting.cookieOrigins);
  }

  /** The values of the device's cookie that count. */
  get deviceCookies(): readonly string[] {
    return cookieValues(DEVICE_COOKIE_NAME, this.transport, this.#setting.cookieOrigins);
  }

  /** Lets the answer set the cookie of a session that was opened for this caller. */
  giveCookie(grant: CookieGrant): void {
    this.setCookies.push(settingCookie(grant));
  }

  /** Lets the answer set the cookie of a device that is known from now on. */
  giveDeviceCookie(grant: DeviceGrant): void {
    this.setCookies.push(settingDeviceCookie(grant));
  }

  /** Lets the answer take the session cookie away. */
  clearCookie(): void {
    this.setCookies.push(CLEARING_COOKIE);
  }

  /** As `clearCookie`, for a caller who came by the cookie: its session has ended. */
  clearOwnCookie(): void {
    if (this.principal?.credential === 'session_cookie') this.clearCookie();
  }

  /** Notes a limit that the call was counted toward. */
  noteLimit(state: LimitState): void {
    this.limit = tighter(this.limit, state);
  }

  /** Says how the call is charged to its limits. */
  onCharge(charge: () => MaybePromise<void>): void {
    this.#charge = charge;
  }

  /** Whether `charge` was called. */
  get isCharged(): boolean {
    return this.#isCharged;
  }

  /** Charges the call to the limits of its access rule, once: its request has been checked, and what follows costs. Errors: RATE_LIMITED. */
  charge(): MaybePromise<void> {
    if (this.#isCharged) return undefined;
    this.#isCharged = true;
    return this.#charge?.();
  }

  /** The limiter for what is done during this call: the headers of the response report what it counts. */
  noting(limiter: Pick<RateLimiter, 'consume'>): Pick<RateLimiter, 'consume'> {
    return noting(limiter, (state) => this.noteLimit(state));
  }

  /** Aborts when the caller has gone or the time for the call is up. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      if (this.#abortReason !== undefined) controller.abort(this.#abortReason);
      this.transport.onCancelled(() => controller.abort(GONE));
    }
    return this.#controller.signal;
  }

  /** Aborts the work behind `signal` with a reason, also when it looks only later. */
  abort(reason: unknown = GONE): void {
    this.#abortReason ??= reason;
    this.#controller?.abort(reason);
  }

  /** The caller of a guarded method. Errors: TOKEN_MISSING, which only a method without a guard can meet. */
  requirePrincipal(): Principal {
    if (this.principal === undefined) throw new DomainError('TOKEN_MISSING', 'This call needs a credential.');
    return this.principal;
  }
}
