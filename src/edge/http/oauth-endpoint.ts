// The guard of the OAuth endpoints, as the pipeline is of RPCs: deadline → access → bounded form → use case → error mapping and log.

import type { Principal } from '../../domain/access/principal.ts';
import type { CallOrigin } from '../../domain/audit/audit-event.ts';
import type { Clock } from '../../domain/clock.ts';
import { DomainError } from '../../domain/errors.ts';
import { addressKey } from '../../domain/limits/address-key.ts';
import { FAILURE_CLASSES } from '../../domain/limits/limit-table.ts';
import { RateLimitedError } from '../../domain/limits/rate-limited.ts';
import type { RateLimiter } from '../../domain/limits/rate-limiter.ts';
import type { MaybePromise } from '../../domain/maybe-promise.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { triesBasic } from './credentials.ts';
import type { Form } from './form.ts';
import { parseForm, requireFormType } from './form.ts';
import { HttpRefusal } from './http-refusal.ts';
import type { OAuthError } from './oauth-error.ts';
import { toOAuthError } from './oauth-error.ts';
import type { ClientAddress, HttpRequest } from './request.ts';
import { answerAndCut, originOf, readBody } from './request.ts';
import type { HttpResponse } from './response.ts';
import { sendJson } from './response.ts';

export type OAuthEndpointDeps = {
  readonly clientAddress: ClientAddress;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rateLimiter: RateLimiter;
  /** No request is worked on longer. */
  readonly maxCallMs: number;
};

/** One endpoint: POST, a form in, JSON or nothing out. */
export type OAuthEndpoint = {
  readonly path: string;
  /** What the request is charged to: `introspect` when its caller is not let in, `revoke` when its form has been read. */
  readonly limitClass: 'introspect' | 'revoke';
  /** Lets the caller in, and reads the form for it only where the caller may be named there; the principal when it is known. */
  readonly admit: (
    request: HttpRequest,
    origin: CallOrigin,
    readForm: () => Promise<Form>,
  ) => MaybePromise<Principal | undefined>;
  /** What to answer; undefined for an empty body. */
  readonly answer: (form: Form, origin: CallOrigin) => MaybePromise<object | undefined>;
};

const MAX_BODY_BYTES = 65_536;
// Less than a request may take to arrive, which is answered without OAuth's words.
const MAX_BODY_MS = 8_000;

type Exchange = {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly origin: CallOrigin;
  readonly startTime: number;
  caller: Principal | undefined;
  form: Form | undefined;
};

/** Serves one request of the endpoint. Never throws; the promise never rejects. */
export async function serveOAuth(
  deps: OAuthEndpointDeps,
  endpoint: OAuthEndpoint,
  request: HttpRequest,
  response: HttpResponse,
): Promise<void> {
  const origin = originOf(deps.clientAddress, request);
  const exchange: Exchange = {
    request,
    response,
    origin,
    startTime: deps.clock.now(),
    caller: undefined,
    form: undefined,
  };
  try {
    response.setHeader('x-request-id', origin.requestId);
    response.setHeader('cache-control', 'no-store');
    const body = await withinTime(deps.maxCallMs, work(deps, endpoint, exchange));
    if (deps.logger.isLevelEnabled('debug'))
      deps.logger.debug(logFields(deps, endpoint, exchange, 200), 'call');
    if (body === undefined) response.end('');
    else sendJson(response, 200, body);
  } catch (error) {
    refuse(deps, endpoint, exchange, error);
  }
}

async function work(
  deps: OAuthEndpointDeps,
  endpoint: OAuthEndpoint,
  exchange: Exchange,
): Promise<object | undefined> {
  const { request, origin } = exchange;
  requirePost(request);
  const key = addressKey(origin.ipAddress);
  const isForFailures = FAILURE_CLASSES.has(endpoint.limitClass);
  if (isForFailures) deps.rateLimiter.requireLeft(endpoint.limitClass, 'address', key);
  const readForm = async () => (exchange.form ??= await formOf(deps, request));
  exchange.caller = await admit(deps, endpoint, exchange, { key, readForm });
  const form = await readForm();
  // What is no form is not charged: it is bounded in size and time, and nothing is looked up for it.
  if (!isForFailures) await deps.rateLimiter.consume(endpoint.limitClass, 'address', key);
  return endpoint.answer(form, origin);
}

async function admit(
  { rateLimiter }: OAuthEndpointDeps,
  { admit: letIn, limitClass }: OAuthEndpoint,
  { request, origin }: Exchange,
  { key, readForm }: { readonly key: string; readonly readForm: () => Promise<Form> },
): Promise<Principal | undefined> {
  try {
    return await letIn(request, origin, readForm);
  } catch (error) {
    if (error instanceof DomainError && error.reason.startsWith('TOKEN_'))
      await rateLimiter.consume(limitClass, 'address', key).catch(passOverLimit);
    throw error;
  }
}

// The request has failed already, and its caller is told why.
function passOverLimit(error: unknown): void {
  if (!(error instanceof RateLimitedError)) throw error;
}

async function formOf(deps: OAuthEndpointDeps, request: HttpRequest): Promise<Form> {
  const charset = requireFormType(request.headers['content-type'], request.headers['content-encoding']);
  // A slow body leaves time to say so.
  const bytes = await readBody(request, MAX_BODY_BYTES, Math.min(MAX_BODY_MS, deps.maxCallMs / 2));
  return parseForm(bytes, charset);
}

// What stands in a URL ends up in logs and histories: a token must not (RFC 7662, section 4; RFC 6750, section 5.3).
function requirePost(request: HttpRequest): void {
  if (request.method !== 'POST')
    throw new HttpRefusal(405, 'This endpoint takes POST with a form in the body.');
  if (request.url?.includes('?') === true)
    throw new HttpRefusal(400, 'Parameters go into the body, never into the URL.');
}

// Work that is cut off goes on to the end of its step: a transaction is whole or not at all.
async function withinTime<Value>(limitMs: number, work: Promise<Value>): Promise<Value> {
  const { promise: timeUp, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new DomainError('DEADLINE_EXCEEDED', `The call took longer than ${limitMs} ms.`)),
    limitMs,
  );
  try {
    return await Promise.race([work, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}

function refuse(deps: OAuthEndpointDeps, endpoint: OAuthEndpoint, exchange: Exchange, cause: unknown): void {
  const { request, response, origin } = exchange;
  const triedSecret = triesBasic(request) || exchange.form?.has('client_secret') === true;
  const refusal = toOAuthError(cause, origin.requestId, triedSecret);
  logRefusal(
    deps,
    { ...logFields(deps, endpoint, exchange, refusal.status), reason: refusal.reason },
    refusal,
    cause,
  );
  if (refusal.reason === 'CALL_CANCELLED') return;
  const send = () => {
    for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
    sendJson(response, refusal.status, { error: refusal.error, error_description: refusal.description });
  };
  const isBodyGivenUp = refusal.status === 408 || refusal.status === 413;
  if (isBodyGivenUp) answerAndCut(request, response, send);
  else send();
}

function logFields(deps: OAuthEndpointDeps, endpoint: OAuthEndpoint, exchange: Exchange, status: number) {
  return {
    path: endpoint.path,
    requestId: exchange.origin.requestId,
    ip: exchange.origin.ipAddress,
    subject: exchange.caller?.subjectId,
    ms: deps.clock.now() - exchange.startTime,
    status,
  };
}

function logRefusal(deps: OAuthEndpointDeps, fields: object, refusal: OAuthError, cause: unknown): void {
  if (refusal.reason === 'INTERNAL') deps.logger.error({ ...fields, err: cause }, 'call failed');
  else if (refusal.status === 503) deps.logger.warn({ ...fields, err: cause }, 'call failed');
  else deps.logger.info(fields, 'call refused');
}
