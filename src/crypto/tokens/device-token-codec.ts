// Writes and reads device tokens: account, device, session epoch and time of issue, and a MAC over all of it.

import type { DeviceTokenCodec } from '../../domain/lockout/device-token.ts';
import { DEVICE_TOKEN_PREFIX } from '../../domain/lockout/device-token.ts';
import { macToken } from './mac-token.ts';
import { uuidFromBytes, uuidToBytes } from '../uuid-bytes.ts';

const ID_LENGTH = 16;
const EPOCH_LENGTH = 5;
const TIME_LENGTH = 6;
const EPOCH_AT = 2 * ID_LENGTH;
const TIME_AT = EPOCH_AT + EPOCH_LENGTH;

/** Tokens under HMAC-SHA-256 with `key`, a key of their own. */
export function deviceTokenCodec(key: Uint8Array): DeviceTokenCodec {
  const tokens = macToken(DEVICE_TOKEN_PREFIX, TIME_AT + TIME_LENGTH, key);
  return {
    write({ userId, deviceId, epoch, issueTime }) {
      const body = Buffer.alloc(TIME_AT + TIME_LENGTH);
      uuidToBytes(userId).copy(body);
      uuidToBytes(deviceId).copy(body, ID_LENGTH);
      body.writeUIntBE(epoch, EPOCH_AT, EPOCH_LENGTH);
      body.writeUIntBE(issueTime, TIME_AT, TIME_LENGTH);
      return tokens.write(body);
    },
    read(token) {
      const body = tokens.open(token);
      if (body === undefined) return undefined;
      return {
        userId: uuidFromBytes(body.subarray(0, ID_LENGTH)),
        deviceId: uuidFromBytes(body.subarray(ID_LENGTH, EPOCH_AT)),
        epoch: body.readUIntBE(EPOCH_AT, EPOCH_LENGTH),
        issueTime: body.readUIntBE(TIME_AT, TIME_LENGTH),
      };
    },
  };
}
