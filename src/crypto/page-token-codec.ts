// Page tokens, sealed by the master key and bound to their query.

import type { PageTokenCodec } from '../domain/paging.ts';
import type { MasterKey } from './master-key.ts';
import { UnsealError } from './master-key.ts';

const PURPOSE = 'page-token';
const MAX_LENGTH = 1_000;

/** Tokens that every node with this master key can read. */
export function pageTokenCodec(masterKey: MasterKey): PageTokenCodec {
  return {
    write(query, position) {
      return Buffer.from(masterKey.seal(PURPOSE, query, Buffer.from(JSON.stringify(position)))).toString(
        'base64url',
      );
    },
    read(query, token) {
      // One position has one spelling: what the decoder would pass over is refused.
      if (token.length > MAX_LENGTH || Buffer.from(token, 'base64url').toString('base64url') !== token)
        return undefined;
      try {
        const position: unknown = JSON.parse(
          Buffer.from(masterKey.unseal(PURPOSE, query, Buffer.from(token, 'base64url'))).toString(),
        );
        return position;
      } catch (error) {
        if (error instanceof UnsealError) return undefined;
        throw error;
      }
    },
  };
}
