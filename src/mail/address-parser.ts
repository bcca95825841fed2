// Reads e-mail addresses by RFC 5322, through a parser that others keep.

import emailAddresses from 'email-addresses';
import type { AddressParser } from '../domain/account/email-address.ts';

/** Takes exactly one bare addr-spec with a dot-atom local part: no display name, comment, group, quoted local part or address literal. */
export const parseAddress: AddressParser = (text) => {
  const parsed = emailAddresses.parseOneAddress({
    input: text,
    rejectTLD: true,
    rfc6532: true,
    strict: true,
  });
  if (parsed === null || parsed.type !== 'mailbox' || parsed.name !== null) return undefined;
  return { local: parsed.local, domain: parsed.domain };
};
