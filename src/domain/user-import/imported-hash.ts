// What may stand in the place of a password hash in what another system exports.

/**
 * A hash, in the form that is kept; no password, where there is none or where the other system disabled it; or why it cannot be taken, as the
 * description of a violation.
 */
export type ImportedHash =
  | { readonly hash: string }
  | { readonly hash: undefined }
  | { readonly refusal: string };

/** Reads what stands in the place of a hash. Pure; computes no hash. */
export type ReadImportedHash = (text: string) => ImportedHash;
