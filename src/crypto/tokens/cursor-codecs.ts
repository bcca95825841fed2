// Cursors of the streams, sealed.

import { z } from 'zod';
import type { AuditCursorCodec } from '../../domain/audit/audit-cursor.ts';
import type { WatchCursorCodec } from '../../domain/revocation/watch-cursor.ts';
import type { Sealer } from '../keys/keyring.ts';
import { UnsealError } from '../keys/master-key.ts';

const MAX_LENGTH = 300;

const RevocationCursor = z.object({ position: z.string().regex(/^\d{1,20}$/), time: z.number() });
const AuditCursor = z.int().nonnegative();

type CursorCodec<Cursor> = { write(cursor: Cursor): string; read(text: string): Cursor | undefined };

/** Cursors of the revocation feed that every node with the same master key can read. */
export function watchCursorCodec(sealer: Sealer): WatchCursorCodec {
  return cursorCodec(sealer, 'revocation-cursor', RevocationCursor);
}

/** Cursors of the audit log that every node with the same master key can read. */
export function auditCursorCodec(sealer: Sealer): AuditCursorCodec {
  return cursorCodec(sealer, 'audit-cursor', AuditCursor);
}

/** The same cursor asked for again costs nothing: every watcher gets the same one. */
function cursorCodec<Cursor>(
  sealer: Sealer,
  purpose: string,
  schema: z.ZodType<Cursor>,
): CursorCodec<Cursor> {
  let last: { readonly cursor: Cursor; readonly text: string } | undefined;
  return {
    write(cursor) {
      if (last?.cursor === cursor) return last.text;
      const sealed = sealer.seal(purpose, '', Buffer.from(JSON.stringify(cursor)));
      last = { cursor, text: Buffer.from(sealed).toString('base64url') };
      return last.text;
    },
    read(text) {
      const bytes = Buffer.from(text, 'base64url');
      // One cursor has one spelling: what the decoder would pass over is refused.
      if (text.length > MAX_LENGTH || bytes.toString('base64url') !== text) return undefined;
      try {
        return schema.parse(JSON.parse(Buffer.from(sealer.unseal(purpose, '', bytes)).toString()));
      } catch (error) {
        if (error instanceof UnsealError) return undefined;
        throw error;
      }
    },
  };
}
