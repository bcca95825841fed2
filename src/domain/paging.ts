// Page tokens: where a list goes on, in a form that clients can neither read nor forge (AIP-158).

/** Port: page tokens bound to the query that they continue. */
export type PageTokenCodec = {
  /** A token for `position` in the list that `query` names. */
  write(query: string, position: unknown): string;
  /** The position; undefined for a token that is forged, altered, or of another query. */
  read(query: string, token: string): unknown;
};
