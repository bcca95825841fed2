// Reads form bodies as OAuth asks for them (RFC 6749, appendix B and section 3.2): UTF-8, strictly encoded, no parameter twice.

import { RequestFault } from './request-fault.ts';

/** The parameters of a form, by name. */
export type Form = ReadonlyMap<string, string>;

const FORM_TYPE =
  /^application\/x-www-form-urlencoded\s*(?:;\s*charset\s*=\s*(?<quote>"?)(?<charset>utf-8|us-ascii|iso-8859-1)\k<quote>\s*)?;?$/i;

const MAX_ASCII = 0x7f;

/** How the bytes of a form are to be read: a label of an older charset is right for ASCII alone, which all of them share. */
export type FormCharset = 'utf-8' | 'ascii';

/** Whether a body of this type may be read as a form. */
export function isForm(contentType: string | undefined): boolean {
  return FORM_TYPE.test(contentType ?? '');
}

/** The charset of a form. Errors: RequestFault 400 when the content type is not a form's, 415 when the body is compressed. */
export function requireFormType(
  contentType: string | undefined,
  contentEncoding: string | undefined,
): FormCharset {
  const match = FORM_TYPE.exec(contentType ?? '');
  if (match === null)
    throw new RequestFault(400, 'The body must be application/x-www-form-urlencoded in UTF-8.');
  if ((contentEncoding ?? 'identity').toLowerCase() !== 'identity')
    throw new RequestFault(415, 'The body must not be compressed.');
  return (match.groups?.['charset'] ?? 'utf-8').toLowerCase() === 'utf-8' ? 'utf-8' : 'ascii';
}

/**
 * The parameters, those that nobody knows too. Errors: RequestFault 400 for broken encoding and for a parameter that stands twice: two readers
 * of one request must not each believe another value.
 */
export function parseForm(bytes: Uint8Array, charset: FormCharset): Form {
  if (charset === 'ascii' && bytes.some((byte) => byte > MAX_ASCII)) throw malformed();
  const form = new Map<string, string>();
  for (const pair of utf8(bytes).split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = formDecode(equals < 0 ? pair : pair.slice(0, equals));
    const value = formDecode(equals < 0 ? '' : pair.slice(equals + 1));
    if (name === undefined || value === undefined) throw malformed();
    if (form.has(name)) throw new RequestFault(400, 'A parameter must not stand more than once.');
    form.set(name, value);
  }
  return form;
}

/** The parameter. Errors: RequestFault 400 when it is missing or empty, which is the same (RFC 6749, section 3.2). */
export function requireParameter(form: Form, name: string): string {
  const value = form.get(name) ?? '';
  if (value === '') throw new RequestFault(400, `The parameter ${name} is required.`);
  return value;
}

/** The text behind form encoding; undefined when it is not encoded by the rules. */
export function formDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed();
  }
}

function malformed(): RequestFault {
  return new RequestFault(400, 'The body is not well-formed application/x-www-form-urlencoded.');
}
