// Cursors of the revocation feed, sealed by the master key.

import { z } from 'zod';
import type { WatchCursor, WatchCursorCodec } from '../domain/revocation/watch-cursor.ts';
import type { MasterKey } from './master-key.ts';
import { UnsealError } from './master-key.ts';

const PURPOSE = 'revocation-cursor';
const MAX_LENGTH = 300;

const Cursor = z.object({ position: z.string().regex(/^\d{1,20}$/), time: z.number() });

/** Cursors that every node with this master key can read. The same cursor asked for again costs nothing: every watcher is told it. */
export function watchCursorCodec(masterKey: MasterKey): WatchCursorCodec {
  let last: { readonly cursor: WatchCursor; readonly text: string } | undefined;
  return {
    write(cursor) {
      if (last?.cursor === cursor) return last.text;
      const { position, time } = cursor;
      const sealed = masterKey.seal(PURPOSE, '', Buffer.from(JSON.stringify({ position, time })));
      last = { cursor, text: Buffer.from(sealed).toString('base64url') };
      return last.text;
    },
    read(text) {
      const bytes = Buffer.from(text, 'base64url');
      // One cursor has one spelling: what the decoder would pass over is refused.
      if (text.length > MAX_LENGTH || bytes.toString('base64url') !== text) return undefined;
      try {
        return Cursor.parse(JSON.parse(Buffer.from(masterKey.unseal(PURPOSE, '', bytes)).toString()));
      } catch (error) {
        if (error instanceof UnsealError) return undefined;
        throw error;
      }
    },
  };
}
