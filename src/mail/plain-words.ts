// Sanitizes untrusted text for an email to another person's mailbox: words, never links, markup or new lines.

const MAX_NAME_LENGTH = 50;
const MAX_DEVICE_LENGTH = 80;

/**
 * A person's name: letters with their joiners, spaces, and the marks that names hold. An attacker who registers with another's address chooses the name that the other
 * reads: mail programs turn `example.com` and `+1 555 0100` into links by themselves (CWE-1336, content injection). Undefined when nothing
 * is left.
 */
export function personName(fullName: string): string | undefined {
  // A dot between two words is a domain name to a mail program, one at the end of a word an abbreviation.
  return words(
    fullName.replace(/[^\p{L}\p{M}\p{Join_Control}'’. -]|\.(?! |$)|(?<![\p{L}\p{M}])\p{Join_Control}/gu, ' '),
    MAX_NAME_LENGTH,
  );
}

/** A device's or a program's name: as `personName`, and with the digits, brackets and version numbers that those hold. */
export function deviceName(text: string): string | undefined {
  return words(
    text.replace(/[^\p{L}\p{M}\p{N}'’()_., /-]|[./](?!\d)|(?<!\d)\.(?=\d)/gu, ' '),
    MAX_DEVICE_LENGTH,
  );
}

/** An address from untrusted input, masked: enough to recognize one's own, too little to carry a message. */
export function maskedAddress(email: string): string {
  const at = email.lastIndexOf('@');
  const [first = ''] = email;
  return `${first}…${email.slice(at)}`;
}

function words(text: string, maxLength: number): string | undefined {
  const [...characters] = text.replace(/\s+/gu, ' ').trim();
  const cut = characters.slice(0, maxLength).join('').trim();
  if (!/[\p{L}\p{N}]/u.test(cut)) return undefined;
  return characters.length > maxLength ? `${cut}…` : cut;
}
