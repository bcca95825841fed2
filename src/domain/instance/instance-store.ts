// Port: facts about the installation as a whole.

/** Sealed by the master key that everything is sealed by, so that another key is known for wrong. */
export const MASTER_KEY_CHECK = 'master_key_check';
/** Which master key is to take its place; see crypto/master-key-check.ts. */
export const MASTER_KEY_NEXT = 'master_key_next';
/** What the names of instance secrets begin with. */
export const SECRET_PREFIX = 'secret/';

export type InstanceStore = {
  /** Whether an administrator was made already. */
  isBootstrapped(): Promise<boolean>;
  /** False when another node was first; then nothing is written. Blocks other writers until the transaction ends. */
  markBootstrapped(now: number): Promise<boolean>;
  /** All facts by name. */
  listFacts(): Promise<ReadonlyMap<string, string>>;
  /** False when there is one by this name already. Blocks other writers until the transaction ends. */
  insertFact(name: string, value: string): Promise<boolean>;
  /** Puts `value` in the place of `expected`; false when it is another by now. */
  replaceFact(name: string, expected: string, value: string): Promise<boolean>;
  /** Takes the fact away; false when it is not `expected` any more. */
  removeFact(name: string, expected: string): Promise<boolean>;
};
