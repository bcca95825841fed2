// Reading page tokens, the same for every list.

import { z } from 'zod';
import { validationFailed } from '../domain/errors.ts';
import type { PagePosition, PageTokenCodec } from '../domain/paging.ts';

/** How long a page is, and how long at most. */
export const PAGE_SIZE = { fallback: 50, max: 100 };

const Position = z.object({ createTime: z.number(), id: z.uuid() });

/** Where `query` goes on; undefined for its first page. Errors: VALIDATION_FAILED for a token that is forged or of another query. */
export function readPosition(
  codec: PageTokenCodec,
  query: string,
  pageToken: string,
): PagePosition | undefined {
  if (pageToken === '') return undefined;
  const position = Position.safeParse(codec.read(query, pageToken));
  if (position.success) return position.data;
  throw validationFailed([
    { field: 'page_token', description: 'must be the next_page_token of the page before' },
  ]);
}

/** The token of the page that begins at `next`; empty behind the last page. */
export function writePosition(codec: PageTokenCodec, query: string, next: PagePosition | undefined): string {
  return next === undefined ? '' : codec.write(query, next);
}
