// Reading page tokens, the same for every list.

import { z } from 'zod';
import { validationFailed } from '../../domain/errors.ts';
import type { PagePosition, PageTokenCodec } from '../../domain/paging.ts';

/** How long a page is, and how long at most. */
export const PAGE_SIZE = { fallback: 50, max: 100 };

const TimePosition = z.object({ createTime: z.number(), id: z.uuid() });

/** Where `query` goes on; undefined for its first page. Errors: VALIDATION_FAILED for a token that is forged or of another query. */
export function readPosition(
  codec: PageTokenCodec,
  query: string,
  pageToken: string,
): PagePosition | undefined {
  return readPositionAs(TimePosition, codec, query, pageToken);
}

/** As `readPosition`, for a list whose positions have another shape. */
export function readPositionAs<Position>(
  shape: z.ZodType<Position>,
  codec: PageTokenCodec,
  query: string,
  pageToken: string,
): Position | undefined {
  if (pageToken === '') return undefined;
  const position = shape.safeParse(codec.read(query, pageToken));
  if (position.success) return position.data;
  throw validationFailed([
    { field: 'page_token', description: 'must be the next_page_token of the page before' },
  ]);
}

/** The token of the page that begins at `next`; empty behind the last page. */
export function writePosition(codec: PageTokenCodec, query: string, next: object | undefined): string {
  return next === undefined ? '' : codec.write(query, next);
}
