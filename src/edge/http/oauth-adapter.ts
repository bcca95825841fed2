// OAuth's endpoints over HTTP: POST, a form in, JSON or nothing out, errors in OAuth's words.

import { DomainError } from '../../domain/errors.ts';
import { after } from '../../domain/maybe-promise.ts';
import type { Form } from '../messages/form.ts';
import { isForm, parseForm, requireFormType } from '../messages/form.ts';
import { RequestFault } from '../messages/request-fault.ts';
import { givenUpFor } from '../pipeline/given-up.ts';
import { limitHeaders } from '../pipeline/limit-headers.ts';
import type { Operation } from '../pipeline/operation.ts';
import type { Outcome, PipelineDeps } from '../pipeline/pipeline.ts';
import { serveOperation } from '../pipeline/pipeline.ts';
import type { HttpExchange } from './exchange.ts';
import { FormTransport } from './form-transport.ts';
import type { OAuthError } from './oauth-error.ts';
import { toOAuthError } from './oauth-error.ts';
import type { Body, BodyFault } from './request-body.ts';
import { giveUpBody, readBody } from './request-body.ts';
import { NO_STORE, sendJson } from './response.ts';
import type { HttpHandler } from './server.ts';

const MAX_BODY_BYTES = 65_536;

/** Serves an operation as an endpoint of OAuth. Its `undefined` is an empty body. */
export function oauthEndpoint(
  deps: PipelineDeps,
  operation: Operation<Form, object | undefined>,
): HttpHandler {
  const serve = serveOperation(deps, operation);
  return (exchange) => {
    const fault = targetFault(exchange);
    if (fault !== undefined) return refuse(exchange, toOAuthError(fault, exchange.requestId, false));
    readBody(exchange, MAX_BODY_BYTES, (body) => {
      const request = new FormRequest(exchange, body);
      const transport = new FormTransport(exchange, () => request.knownForm);
      void after(
        serve(transport, () => request.form),
        (outcome) => answer(exchange, transport, outcome),
      );
    });
  };
}

function answer(
  exchange: HttpExchange,
  transport: FormTransport,
  outcome: Outcome<object | undefined>,
): void {
  if ('error' in outcome)
    return refuse(exchange, toOAuthError(outcome.cause, outcome.error.requestId, transport.triesSecret));
  const { limit } = outcome.call;
  const headers = limit === undefined ? NO_STORE : [...NO_STORE, ...limitHeaders(limit).flat()];
  if (outcome.response === undefined) exchange.send(200, '', headers);
  else sendJson(exchange, 200, outcome.response, headers);
}

function refuse(exchange: HttpExchange, error: OAuthError): void {
  // Nobody is there to be told.
  if (error.reason === 'CALL_CANCELLED') return;
  const { isWhole } = exchange;
  if (!isWhole) exchange.closeAfterAnswer();
  const headers = [...NO_STORE, ...Object.entries(error.headers).flat()];
  sendJson(exchange, error.status, { error: error.error, error_description: error.description }, headers);
  if (!isWhole) giveUpBody(exchange);
}

// What stands in a URL ends up in logs and histories: a token must not (RFC 7662, section 4; RFC 6750, section 5.3).
function targetFault({ request, target }: HttpExchange): RequestFault | undefined {
  if (request.method !== 'POST')
    return new RequestFault(405, 'This endpoint takes POST with a form in the body.');
  if (target.query !== undefined)
    return new RequestFault(400, 'Parameters go into the body, never into the URL.');
  return undefined;
}

/** A body that should be a form: decoded when it is asked for, and once. */
class FormRequest {
  readonly #exchange: HttpExchange;
  readonly #body: Body;
  #form: Form | undefined;

  constructor(exchange: HttpExchange, body: Body) {
    this.#exchange = exchange;
    this.#body = body;
  }

  /** Errors: RequestFault for a body that is no form; CALL_CANCELLED, OVERLOADED for one that did not arrive. */
  get form(): Form {
    this.#form ??= this.#read();
    return this.#form;
  }

  /** The form; undefined for a body that is none. */
  get knownForm(): Form | undefined {
    if ('fault' in this.#body || !isForm(this.#exchange.header('content-type'))) return undefined;
    try {
      return this.form;
    } catch {
      return undefined;
    }
  }

  #read(): Form {
    if ('fault' in this.#body) throw faultOf(this.#body.fault);
    const exchange = this.#exchange;
    const charset = requireFormType(exchange.header('content-type'), exchange.header('content-encoding'));
    return parseForm(this.#body.bytes, charset);
  }
}

function faultOf(fault: BodyFault): DomainError {
  switch (fault) {
    case 'too-long':
      return new RequestFault(413, `The body is longer than ${MAX_BODY_BYTES} bytes.`);
    case 'late':
      return new RequestFault(408, 'The body did not come in time.');
    case 'gone':
      return new DomainError('CALL_CANCELLED', 'The caller has gone.');
    case 'crowded':
      return givenUpFor(fault);
  }
}
