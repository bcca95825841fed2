// The master keys that a node holds: one seals, and another may open too, so that one can take the place of the other while nodes run.

import type { MasterKey } from './master-key.ts';

/** What seals and opens: a master key, or a ring of them. */
export type Sealer = Pick<MasterKey, 'seal' | 'unseal'>;

/** One or two master keys. What is sealed names its key, by which it is opened. */
export class Keyring implements Sealer {
  /** Seals. */
  readonly primary: MasterKey;
  readonly second: MasterKey | undefined;

  constructor(primary: MasterKey, second?: MasterKey) {
    this.primary = primary;
    this.second = second;
  }

  /** As MasterKey.seal, by the primary key. */
  seal(purpose: string, context: string, plaintext: Uint8Array): Uint8Array {
    return this.primary.seal(purpose, context, plaintext);
  }

  /** Opens what either key has sealed. Errors: UnsealError. */
  unseal(purpose: string, context: string, sealed: Uint8Array): Uint8Array {
    return (this.keyOf(sealed) ?? this.primary).unseal(purpose, context, sealed);
  }

  /** The key that sealed this, as it says itself; undefined when neither did. */
  keyOf(sealed: Uint8Array): MasterKey | undefined {
    return [this.primary, this.second].find((key) => key?.isNamedBy(sealed) === true);
  }
}
