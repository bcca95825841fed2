// Seals anew, by the key of a keyring that seals, what the other one has sealed.

import type { Resealer, SealedKind } from '../../domain/instance/sealed-values.ts';
import { INSTANCE_SECRET_PURPOSE } from './instance-secrets.ts';
import type { Keyring } from './keyring.ts';
import { isMarkOf, masterKeyMark } from './master-key-check.ts';
import { UnsealError } from './master-key.ts';
import { SIGNING_KEY_PURPOSE } from './signing-keys.ts';
import { TOTP_SECRET_PURPOSE } from '../tokens/totp.ts';

const PURPOSES: Readonly<Record<SealedKind, string>> = {
  totp_secrets: TOTP_SECRET_PURPOSE,
  signing_keys: SIGNING_KEY_PURPOSE,
  instance_secrets: INSTANCE_SECRET_PURPOSE,
};

/** Over these keys. */
export function resealer(keyring: Keyring): Resealer {
  return {
    isCurrent: (sealed) => keyring.primary.isNamedBy(sealed),
    reseal(kind, { id, sealed }) {
      const purpose = PURPOSES[kind];
      try {
        return keyring.seal(purpose, id, keyring.unseal(purpose, id, sealed));
      } catch (error) {
        if (error instanceof UnsealError) return undefined;
        throw error;
      }
    },
    isCurrentMark: (mark) => isMarkOf(keyring.primary, mark),
    newMark: () => masterKeyMark(keyring),
  };
}
