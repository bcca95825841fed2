// What WordPress makes of a password before it hashes it.

/**
 * The texts that WordPress may have hashed for a password typed into one of its forms, two at most: with a backslash before quotes, backslashes and
 * NUL, as PHP's `addslashes` writes what comes from a form (`wp_magic_quotes`; passwords are not unslashed), and as it stands, as its REST interface and
 * command line have it. Both without the blanks that PHP's `trim` removes (`wp_authenticate`, `wp_hash_password`).
 */
export function asWordPressHashes(password: string): readonly string[] {
  const fromForm = trimmed(password.replaceAll(/['"\\]/g, String.raw`\$&`).replaceAll('\0', String.raw`\0`));
  const asItStands = trimmed(password);
  return fromForm === asItStands ? [asItStands] : [fromForm, asItStands];
}

// A run at the end is looked for from its first blank alone: time grows with the length, whatever the text.
function trimmed(text: string): string {
  return text.replace(/^[ \t\n\r\0\v]+/, '').replace(/(?<![ \t\n\r\0\v])[ \t\n\r\0\v]+$/, '');
}
