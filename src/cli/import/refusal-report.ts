// The refused lines of an import, as NDJSON: which line, who, why.

import type { FieldViolation } from '../../domain/errors.ts';

/** A line that did not come in. */
export type RefusedLine = {
  readonly line: number;
  readonly externalId: string;
  readonly reason: string;
  readonly violations: readonly FieldViolation[];
};

/** A refused line as the report has it. */
export function reportLine({ line, externalId, reason, violations }: RefusedLine): unknown {
  return { line, external_id: externalId, reason, violations };
}
