// Keeps compiled code between starts, so that a start neither strips types nor compiles what it loads.

import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

/**
 * Beside the packages, and never in a folder that others can write: whoever can write compiled code can run it. Where it cannot be written (a read-only
 * image, another user's installation), what is there is used, and otherwise nothing is kept. NODE_COMPILE_CACHE names another folder, and
 * NODE_DISABLE_COMPILE_CACHE turns it off.
 */
export function useCompileCache(): void {
  enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/latchkey'));
}
