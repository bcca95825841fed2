// Page tokens: where a list goes on, in a form that clients can neither read nor forge (AIP-158).

/** Where a list that is newest first goes on: strictly behind this item. */
export type PagePosition = { readonly createTime: number; readonly id: string };

/** A page of what an account owns: newest first, strictly older than `before`. */
export type PageQuery = {
  readonly ownerId: string;
  readonly before: PagePosition | undefined;
  readonly limit: number;
};

/** The page of `found`, which was asked for one item more than the page holds, and where the next begins (undefined on the last). */
export function pageOf<Item, Position = PagePosition>(
  found: readonly Item[],
  pageSize: number,
  positionOf: (item: Item) => Position,
): { readonly items: readonly Item[]; readonly next: Position | undefined } {
  const items = found.slice(0, pageSize);
  const last = items.at(-1);
  return { items, next: found.length > pageSize && last !== undefined ? positionOf(last) : undefined };
}

/** Port: page tokens bound to the query that they continue. */
export type PageTokenCodec = {
  /** A token for `position` in the list that `query` names. */
  write(query: string, position: unknown): string;
  /** The position; undefined for a token that is forged, altered, or of another query. */
  read(query: string, token: string): unknown;
};
