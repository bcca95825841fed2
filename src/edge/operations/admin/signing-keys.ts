// AdminService: signing keys.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { actorOf } from '../../../domain/access/authority.ts';
import type { ListedSigningKey, ListSigningKeysDeps } from '../../../domain/keyset/list-signing-keys.ts';
import { listSigningKeys } from '../../../domain/keyset/list-signing-keys.ts';
import type { RotateSigningKeyDeps } from '../../../domain/keyset/rotate-signing-key.ts';
import { rotateSigningKey } from '../../../domain/keyset/rotate-signing-key.ts';
import type { AdminService } from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import {
  ListSigningKeysResponseSchema,
  RotateSigningKeyResponseSchema,
} from '../../../../gen/latchkey/v1/admin_service_pb.ts';
import type { SigningKeySchema } from '../../../../gen/latchkey/v1/signing_key_pb.ts';
import { SigningKeyState } from '../../../../gen/latchkey/v1/signing_key_pb.ts';
import { RequestReader } from '../../messages/decode.ts';
import type { ServiceHandlers } from '../handlers.ts';

export type SigningKeyHandlersDeps = ListSigningKeysDeps & RotateSigningKeyDeps;

const STATE: Readonly<Record<ListedSigningKey['state'], SigningKeyState>> = {
  published: SigningKeyState.PUBLISHED,
  signing: SigningKeyState.SIGNING,
  verifying: SigningKeyState.VERIFYING,
};

/** AdminService: signing keys. */
export function signingKeyHandlers(
  deps: SigningKeyHandlersDeps,
): Pick<ServiceHandlers<typeof AdminService>, 'listSigningKeys' | 'rotateSigningKey'> {
  return {
    async listSigningKeys() {
      const keys = await listSigningKeys(deps);
      return create(ListSigningKeysResponseSchema, { signingKeys: keys.map(encodeSigningKey) });
    },

    async rotateSigningKey({ immediately, retireOthers }, call) {
      const reader = new RequestReader();
      if (retireOthers && !immediately) reader.add('retire_others', 'is only for `immediately`');
      reader.finish();
      const actor = actorOf(call.requirePrincipal());
      const { origin } = call;
      const key = await rotateSigningKey(deps, { actor, immediately, retireOthers, origin });
      return create(RotateSigningKeyResponseSchema, { signingKey: encodeSigningKey(key) });
    },
  };
}

function encodeSigningKey(key: ListedSigningKey): MessageInitShape<typeof SigningKeySchema> {
  return {
    kid: key.kid,
    algorithm: key.algorithm,
    state: STATE[key.state],
    createTime: timestampFromMs(key.createTime),
    activateTime: timestampFromMs(key.activateTime),
    ...(key.retireTime === undefined ? {} : { retireTime: timestampFromMs(key.retireTime) }),
  };
}
