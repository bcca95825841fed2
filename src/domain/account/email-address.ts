// E-mail addresses: which we take, and when two are the same.

import { checkText } from '../text.ts';
import { isOfOneScript } from './domain-scripts.ts';
import type { FieldViolation } from '../errors.ts';

/** Reads one RFC 5322 addr-spec; undefined when the text is not exactly one plain address. */
export type AddressParser = (text: string) => { readonly local: string; readonly domain: string } | undefined;

/** A checked address: as written, and the key by which two are the same. */
export type EmailAddress = { readonly text: string; readonly key: string };

/**
 * A deliverable address on the public internet's terms: dot-atom local part of at most 64 characters, a domain of at least two labels, 254
 * characters in all (RFC 5321, section 4.5.3.1). Quoted local parts, comments, address literals and look-alikes of `@` are refused. The
 * key ignores case in both parts: two accounts that differ in case alone would be one mailbox nearly everywhere.
 */
export function emailAddress(
  parse: AddressParser,
  field: string,
  raw: string,
): { address: EmailAddress } | { violation: FieldViolation } {
  const checked = checkText(raw, { field, min: 3, max: 254 });
  if ('violation' in checked) return checked;
  const { text } = checked;
  if (PLAIN_ADDRESS.test(text)) return { address: { text, key: text.toLowerCase() } };
  const refuse = (description: string) => ({ violation: { field, description } });
  // Full-width and small forms of letters and of `@` are homographs: NFKC turns them into the plain ones.
  if (text.normalize('NFKC') !== text)
    return refuse('must not hold full-width or other compatibility characters');
  if (text.split('@').length !== 2) return refuse('must hold exactly one @');
  const parts = parse(text);
  if (parts === undefined || `${parts.local}@${parts.domain}` !== text)
    return refuse('must be an e-mail address like name@example.com');
  if ([...parts.local].length > 64) return refuse('must have at most 64 characters before the @');
  // A mail program would show it decoded (RFC 2047): a text of its owner's choice in the header of another person's email.
  if (ENCODED_WORD.test(parts.local)) return refuse('must not look like an encoded word (=?…?=)');
  if (!isDomainName(parts.domain)) return refuse('must end in a domain name like example.com');
  if (!parts.domain.split('.').every(isOfOneScript))
    return refuse('must not mix scripts within a label of its domain, like Latin and Cyrillic letters');
  return { address: { text, key: emailKey(text) } };
}

/** The key under which an address is unique: lower case, and the domain as the DNS has it (IDNA, by the URL standard's rules). */
export function emailKey(text: string): string {
  const folded = text.normalize('NFC').toLowerCase().normalize('NFC');
  const at = folded.lastIndexOf('@');
  const domain = folded.slice(at + 1);
  const host = DOMAIN.test(domain) ? URL.parse(`http://${domain}`)?.hostname : undefined;
  return host === undefined ? folded : `${folded.slice(0, at)}@${host}`;
}

// Addresses of the common form: what follows would take each, and its key would be the address in lower case. A label that begins like
// a punycoded one, or a last one that is not all letters, is for the parsers.
const PLAIN_ADDRESS =
  /^(?=.{1,64}@)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:(?![Xx][Nn]--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$/;

const ENCODED_WORD = /=\?[^?]*\?[bq]\?[^?]*\?=/i;
const DOMAIN = /^[\p{L}\p{M}\p{N}.-]+$/u;
const LABEL = /^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]{0,61}[\p{L}\p{M}\p{N}])?$/u;

function isDomainName(domain: string): boolean {
  const labels = domain.split('.');
  return (
    labels.length >= 2 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '')
  );
}
