// The spellings of one password in Unicode: other systems hashed what they were sent, or its NFC, or its NFKC.

/**
 * The texts that a hash may have been made of when a person types `password`, each once, ours first: NFC, as it was sent, NFKC. Mostly one,
 * for they differ only in what few passwords hold. Pure.
 */
export function spellingsOf(password: string): readonly string[] {
  return [...new Set([inOurSpelling(password), password, password.normalize('NFKC')])];
}

/** What our own hashes are made of. Pure. */
export function inOurSpelling(password: string): string {
  return password.normalize('NFC');
}
