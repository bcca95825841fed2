// Where somebody who watches revocations resumes, in a form that clients can neither read nor forge.

import type { RevocationCursor } from './revocation-store.ts';

/** A point in the database's history, and when (epoch milliseconds, by the node that wrote it) it was reached. */
export type WatchCursor = { readonly position: RevocationCursor; readonly time: number };

/** Port: cursors as texts. Every node reads what any node wrote. */
export type WatchCursorCodec = {
  write(cursor: WatchCursor): string;
  /** Undefined for a text that is forged or altered. */
  read(text: string): WatchCursor | undefined;
};
