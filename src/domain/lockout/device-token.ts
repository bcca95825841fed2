// Device tokens: what a device shows that has logged in fully before, so that failures of other clients cannot lock it out (OWASP "device cookie").

import type { User } from '../account/user.ts';
import type { Clock, NewId } from '../clock.ts';

/** What every device token begins with, so that people and secret scanners know one when they see it. */
export const DEVICE_TOKEN_PREFIX = 'lkdt_';

/** What a device token says. */
export type DeviceTokenContent = {
  readonly userId: string;
  readonly deviceId: string;
  /** The account's session epoch: whatever ends all sessions but the calling one ends the device's token too. */
  readonly epoch: number;
  /** Epoch milliseconds. */
  readonly issueTime: number;
};

/** Port: how device tokens are written and verified. */
export type DeviceTokenCodec = {
  write(content: DeviceTokenContent): string;
  /** The content of a token that was written here; undefined for anything else. Constant time. Says nothing about the account. */
  read(token: string): DeviceTokenContent | undefined;
};

export type KnownDeviceDeps = {
  readonly deviceTokenCodec: DeviceTokenCodec;
  /** How long a device is known after its last full login, in milliseconds. */
  readonly deviceTokenTtlMs: number;
  readonly clock: Clock;
};

/** A token for the device that has just logged in fully. */
export type DeviceGrant = { readonly token: string; readonly maxAgeMs: number };

/**
 * The id of the device that shows one of `tokens`, as far as the account knows it; undefined for forged and expired tokens, those of other
 * accounts and those from before the account's sessions were ended: they are worth as much as none.
 */
export function knownDevice(
  { deviceTokenCodec, deviceTokenTtlMs, clock }: KnownDeviceDeps,
  user: Pick<User, 'id' | 'sessionEpoch'> | undefined,
  tokens: readonly string[],
): string | undefined {
  const now = clock.now();
  const contents = tokens.map((token) => deviceTokenCodec.read(token));
  const known = contents.find(
    (content) =>
      content !== undefined &&
      content.userId === user?.id &&
      content.epoch === user.sessionEpoch &&
      now < content.issueTime + deviceTokenTtlMs,
  );
  return known?.deviceId;
}

/** A fresh token after a full login. A known device keeps its id, and so its counter. */
export function grantDevice(
  { deviceTokenCodec, deviceTokenTtlMs, clock, newId }: KnownDeviceDeps & { readonly newId: NewId },
  { id: userId, sessionEpoch: epoch }: Pick<User, 'id' | 'sessionEpoch'>,
  deviceId: string | undefined,
): DeviceGrant {
  const content = { userId, deviceId: deviceId ?? newId(), epoch, issueTime: clock.now() };
  return { token: deviceTokenCodec.write(content), maxAgeMs: deviceTokenTtlMs };
}
