// Names of roles.

import type { Violations } from '../text.ts';

const ROLE_NAME = /^[a-z][a-z0-9_-]{1,49}$/;

/** The name of a role as it may be written, whether there is such a role or not; notes a name that none can have. */
export function readRoleName(violations: Violations, field: string, raw: string): string {
  if (raw === '') violations.add(field, 'is required');
  else if (!ROLE_NAME.test(raw))
    violations.add(field, 'must have 2 to 50 lower-case letters, digits, - and _, and begin with a letter');
  return raw;
}
