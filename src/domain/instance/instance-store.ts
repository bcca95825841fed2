// Port: facts about the installation as a whole.

export type InstanceStore = {
  /** Whether an administrator was made already. */
  isBootstrapped(): Promise<boolean>;
  /** False when another node was first; then nothing is written. Holds others back until the transaction ends. */
  markBootstrapped(now: number): Promise<boolean>;
  /** What `insertMasterKeyCheck` kept. */
  findMasterKeyCheck(): Promise<string | undefined>;
  /** Keeps a value sealed by the master key, by which another key is known for wrong. False when there is one already. */
  insertMasterKeyCheck(sealed: string): Promise<boolean>;
};
