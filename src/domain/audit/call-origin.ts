// What a caller says of itself, before it is written down: plain text of bounded length, or nothing.

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,100}$/;
const MAX_USER_AGENT_LENGTH = 300;

/** The caller's own id for its request when it is a plain one; undefined when one must be made. */
export function plainRequestId(given: string | undefined): string | undefined {
  return given !== undefined && REQUEST_ID.test(given) ? given : undefined;
}

/** The user agent without control and invisible characters, at most 300 long; empty when there is none. */
export function plainUserAgent(given: string | undefined): string {
  const text = given ?? '';
  const printable = /^[\x20-\x7E]*$/.test(text) ? text : text.replace(/\p{C}/gu, '');
  return printable.slice(0, MAX_USER_AGENT_LENGTH);
}
