// What requests and answers about API keys have in common, a person's and a program's.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { readScopes } from '../../domain/access/scope.ts';
import type { ApiKey } from '../../domain/api-key/api-key.ts';
import { checkExpiry } from '../../domain/api-key/key-rules.ts';
import { readNetworks } from '../../domain/network/read-networks.ts';
import type { ApiKeySchema } from '../../../gen/latchkey/v1/api_key_pb.ts';
import type { CreateServiceApiKeyRequest } from '../../../gen/latchkey/v1/admin_service_pb.ts';
import type { UpdateApiKeyRequest } from '../../../gen/latchkey/v1/user_service_pb.ts';
import type { KeyChange } from '../../domain/api-key/narrow-key.ts';
import type { RequestReader } from '../messages/decode.ts';
import { readMask } from '../messages/user-changes.ts';

type NewKeyFields = Pick<
  CreateServiceApiKeyRequest,
  'displayName' | 'scopes' | 'allowedCidrs' | 'expireTime'
>;

/** What a new key shall be; notes each rule broken. */
export function readNewKey(reader: RequestReader, request: NewKeyFields, now: number) {
  const newKey = {
    displayName: reader.text(request.displayName, { field: 'display_name', min: 1, max: 100, name: true }),
    scopes: readScopes(reader, 'scopes', request.scopes),
    allowedCidrs: readNetworks(reader, 'allowed_cidrs', request.allowedCidrs),
    expireTime: reader.time('expire_time', request.expireTime),
  };
  checkExpiry(reader, 'expire_time', newKey.expireTime, now);
  return newKey;
}

const MUTABLE = ['display_name', 'scopes', 'allowed_cidrs', 'expire_time'];

/** What is to be changed of a key, by the mask; notes each rule broken. Whether it is narrower is for the use case to say. */
export function readKeyChange(
  reader: RequestReader,
  request: Pick<UpdateApiKeyRequest, 'apiKey' | 'updateMask'>,
  now: number,
): KeyChange {
  const { displayName = '', scopes = [], allowedCidrs = [], expireTime: end } = request.apiKey ?? {};
  const mask = readMask(reader, request.updateMask, MUTABLE);
  const name = displayName.trim();
  const sets = {
    scopes: mask.sets('scopes', scopes.join(' ')),
    allowedCidrs: mask.sets('allowed_cidrs', allowedCidrs.join(' ')),
    expireTime: mask.sets('expire_time', end === undefined ? '' : 'set'),
  };
  if (sets.scopes && scopes.length === 0) reader.add('api_key.scopes', 'must hold at least one scope');
  const expireTime = sets.expireTime ? reader.time('api_key.expire_time', end) : undefined;
  checkExpiry(reader, 'api_key.expire_time', expireTime, now);
  return {
    ...(mask.sets('display_name', name)
      ? { displayName: reader.text(name, { field: 'api_key.display_name', min: 1, max: 100, name: true }) }
      : {}),
    ...(sets.scopes ? { scopes: readScopes(reader, 'api_key.scopes', scopes) } : {}),
    ...(sets.allowedCidrs
      ? { allowedCidrs: readNetworks(reader, 'api_key.allowed_cidrs', allowedCidrs) }
      : {}),
    ...(sets.expireTime ? { expiry: { expireTime } } : {}),
  };
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
