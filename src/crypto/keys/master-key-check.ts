// Checks at start whether the master keys are those that this database is sealed with, or is to be sealed with next.

import type { InstanceStore } from '../../domain/instance/instance-store.ts';
import { MASTER_KEY_CHECK, MASTER_KEY_NEXT } from '../../domain/instance/instance-store.ts';
import type { Keyring, Sealer } from './keyring.ts';
import { UnsealError } from './master-key.ts';

const PURPOSE = 'master-key-check';
const CONTEXT = 'instance';

/** A master key is another than the one that sealed this database. */
export class WrongMasterKeyError extends Error {
  override readonly name = 'WrongMasterKeyError';
}

/** A change of a fact that a check asks for. */
export type FactChange = {
  readonly name: string;
  /** Undefined where there is none. */
  readonly expected: string | undefined;
  /** Undefined for none. */
  readonly value: string | undefined;
};

/** What a master key leaves in the database, to be known by: sealed, in base64. */
export function masterKeyMark(sealer: Sealer): string {
  return Buffer.from(sealer.seal(PURPOSE, CONTEXT, Buffer.from('latchkey'))).toString('base64');
}

/** Whether `sealer` made the mark. */
export function isMarkOf(sealer: Sealer, mark: string): boolean {
  try {
    sealer.unseal(PURPOSE, CONTEXT, Buffer.from(mark, 'base64'));
    return true;
  } catch (error) {
    if (error instanceof UnsealError) return false;
    throw error;
  }
}

// The next key is announced while it only opens, so that one that was mistyped later is known for wrong; it is in use from the moment on when a
// node seals by it, and then no node may start that cannot open what it has sealed.
const ANNOUNCED = 'announced:';
const IN_USE = 'in use:';

/**
 * What this keyring means for the database with these facts: the change to be made before it may be used, undefined for none. Errors:
 * WrongMasterKeyError.
 */
export function checkKeyring(keyring: Keyring, facts: ReadonlyMap<string, string>): FactChange | undefined {
  const check = facts.get(MASTER_KEY_CHECK) ?? '';
  const { primary, second } = keyring;
  const next = facts.get(MASTER_KEY_NEXT);
  const change = (value: string | undefined): FactChange => ({
    name: MASTER_KEY_NEXT,
    expected: next,
    value,
  });
  if (isMarkOf(primary, check)) {
    if (next?.startsWith(IN_USE) === true) {
      if (second !== undefined && isMarkOf(second, markIn(next))) return undefined;
      throw new WrongMasterKeyError(
        'another master key seals already, and this node does not have it: set LATCHKEY_MASTER_KEY_SECOND to it',
      );
    }
    if (second === undefined) return next === undefined ? undefined : change(undefined);
    const isAnnounced = next !== undefined && isMarkOf(second, markIn(next));
    return isAnnounced ? undefined : change(ANNOUNCED + masterKeyMark(second));
  }
  if (second === undefined || !isMarkOf(second, check)) {
    throw new WrongMasterKeyError('the master key is not the one that this database was sealed with');
  }
  if (next === undefined) return change(IN_USE + masterKeyMark(primary));
  if (!isMarkOf(primary, markIn(next))) {
    throw new WrongMasterKeyError(
      'the master key is neither the one that this database was sealed with nor the next one',
    );
  }
  return next.startsWith(IN_USE) ? undefined : change(IN_USE + markIn(next));
}

function markIn(next: string): string {
  return next.slice(next.indexOf(':') + 1);
}

/** Makes the change; false when another node has made one meanwhile. */
export function applyChange(
  instance: Pick<InstanceStore, 'insertFact' | 'replaceFact' | 'removeFact'>,
  { name, expected, value }: FactChange,
): Promise<boolean> {
  if (value === undefined) return instance.removeFact(name, expected ?? '');
  if (expected === undefined) return instance.insertFact(name, value);
  return instance.replaceFact(name, expected, value);
}
