// Page tokens, sealed and bound to their query.

import type { PageTokenCodec } from '../../domain/paging.ts';
import type { Sealer } from '../keys/keyring.ts';
import { UnsealError } from '../keys/master-key.ts';

const PURPOSE = 'page-token';
// The longest position names an e-mail address, whose domain may be long in the DNS's spelling.
const MAX_LENGTH = 4_000;

/** Tokens that every node with the same master key can read. */
export function pageTokenCodec(sealer: Sealer): PageTokenCodec {
  return {
    write(query, position) {
      return Buffer.from(sealer.seal(PURPOSE, query, Buffer.from(JSON.stringify(position)))).toString(
        'base64url',
      );
    },
    read(query, token) {
      // One position has one spelling: what the decoder would pass over is refused.
      if (token.length > MAX_LENGTH || Buffer.from(token, 'base64url').toString('base64url') !== token)
        return undefined;
      try {
        const position: unknown = JSON.parse(
          Buffer.from(sealer.unseal(PURPOSE, query, Buffer.from(token, 'base64url'))).toString(),
        );
        return position;
      } catch (error) {
        if (error instanceof UnsealError) return undefined;
        throw error;
      }
    },
  };
}
