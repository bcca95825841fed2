// The message of a GET stands in the query: https://connectrpc.com/docs/protocol/#unary-get-request

import { base64Decode } from '@bufbuild/protobuf/wire';
import type { MessageFormat } from './format.ts';

/** The request as its query tells it; `bytes` is undefined where they are not base64url. */
export type GetRequest = {
  readonly format: MessageFormat;
  readonly isCompressed: boolean;
  readonly bytes: Buffer | undefined;
};

/** Reads the query; undefined when it names no encoding of messages that is known. */
export function readQuery(query: string): GetRequest | undefined {
  const parameters = new URLSearchParams(query);
  const encoding = parameters.get('encoding');
  if (encoding !== 'json' && encoding !== 'proto') return undefined;
  const text = parameters.get('message') ?? '';
  return {
    format: encoding === 'json' ? 'json' : 'binary',
    isCompressed: (parameters.get('compression') ?? 'identity') !== 'identity',
    bytes: parameters.get('base64') === '1' ? fromBase64(text) : Buffer.from(text),
  };
}

function fromBase64(text: string): Buffer | undefined {
  try {
    return Buffer.from(base64Decode(text));
  } catch {
    return undefined;
  }
}
