// What requests and answers about API keys have in common, a person's and a program's.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { readScopes } from '../../domain/access/scope.ts';
import type { ApiKey } from '../../domain/api-key/api-key.ts';
import { checkExpiry } from '../../domain/api-key/key-rules.ts';
import { readNetworks } from '../../domain/network/read-networks.ts';
import type { ApiKeySchema } from '../../../gen/latchkey/v1/api_key_pb.ts';
import type { CreateServiceApiKeyRequest } from '../../../gen/latchkey/v1/admin_service_pb.ts';
import type { RequestReader } from '../decode.ts';

type NewKeyFields = Pick<
  CreateServiceApiKeyRequest,
  'displayName' | 'scopes' | 'allowedCidrs' | 'expireTime'
>;

/** What a new key shall be; notes each rule broken. */
export function readNewKey(reader: RequestReader, request: NewKeyFields, now: number) {
  const newKey = {
    displayName: reader.text(request.displayName.trim(), { field: 'display_name', min: 1, max: 100 }),
    scopes: readScopes(reader, 'scopes', request.scopes),
    allowedCidrs: readNetworks(reader, 'allowed_cidrs', request.allowedCidrs),
    expireTime: reader.time('expire_time', request.expireTime),
  };
  checkExpiry(reader, 'expire_time', newKey.expireTime, now);
  return newKey;
}

/** The key as other programs see it. */
export function encodeApiKey(key: ApiKey): MessageInitShape<typeof ApiKeySchema> {
  return {
    id: key.id,
    ownerId: key.ownerId,
    displayName: key.displayName,
    scopes: [...key.scopes],
    allowedCidrs: [...key.allowedCidrs],
    createTime: timestampFromMs(key.createTime),
    ...(key.expireTime === undefined ? {} : { expireTime: timestampFromMs(key.expireTime) }),
    ...(key.lastUsedTime === undefined ? {} : { lastUsedTime: timestampFromMs(key.lastUsedTime) }),
    useCount: key.useCount,
  };
}
