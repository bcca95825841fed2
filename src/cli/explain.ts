// Says what kept a command from its work.

import { ConfigError } from '../config.ts';
import { WrongMasterKeyError } from '../crypto/keys/master-key-check.ts';
import { describeFault } from '../telemetry/describe-fault.ts';

/** The fault in a line, or a line for each variable that cannot be used. Pure. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof WrongMasterKeyError) return `LATCHKEY_MASTER_KEY: ${error.message}`;
  return describeFault(error);
}
