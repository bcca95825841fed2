// Rules that every string from outside obeys before anything else looks at it.

import type { FieldViolation } from './errors.ts';

// C0, DEL and C1 controls, and what reorders or hides text when shown (bidi overrides, zero-width; CVE-2021-42574 class).
const FORBIDDEN = /[\p{Cc}\u00AD\u061C\u200B-\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/u;
const FORBIDDEN_IN_SECRETS = /\p{Cc}/u;
// Most of what comes: in NFC as it stands, a code point a unit, nothing of it forbidden.
const PLAIN = /^[\x20-\x7E]*$/;

/** Limits of one text field, in Unicode code points. */
export type TextRule = {
  readonly field: string;
  readonly min?: number;
  readonly max: number;
  /** Passwords may hold any printable sequence, also invisible joiners. */
  readonly secret?: boolean;
};

/**
 * The text in Unicode NFC, or the first rule that it breaks. Length counts code points after normalization; a text that is far too long
 * is refused before it is normalized.
 */
export function checkText(raw: string, rule: TextRule): { text: string } | { violation: FieldViolation } {
  const refuse = (description: string) => ({ violation: { field: rule.field, description } });
  const min = rule.min ?? 0;
  // A code point takes at most two UTF-16 units, and NFC composes at most three code points into one.
  if (raw.length > rule.max * 6) return refuse(`must have at most ${rule.max} characters`);
  const isPlain = PLAIN.test(raw);
  if (!isPlain && !raw.isWellFormed())
    return refuse('must be well-formed Unicode (it holds a lone surrogate)');
  const text = isPlain ? raw : raw.normalize('NFC');
  const length = isPlain ? text.length : [...text].length;
  if (length === 0 && min > 0) return refuse('is required');
  if (length < min) return refuse(`must have at least ${min} characters`);
  if (length > rule.max) return refuse(`must have at most ${rule.max} characters`);
  if (!isPlain && (rule.secret === true ? FORBIDDEN_IN_SECRETS : FORBIDDEN).test(text)) {
    return refuse('must not hold control or invisible formatting characters');
  }
  return { text };
}

/** Collects violations while fields are read, so that one answer names them all. */
export class Violations {
  readonly list: FieldViolation[] = [];

  /** The checked text, or the empty string after noting what is wrong with it. */
  text(raw: string, rule: TextRule): string {
    const checked = checkText(raw, rule);
    if ('text' in checked) return checked.text;
    this.list.push(checked.violation);
    return '';
  }

  add(field: string, description: string): void {
    this.list.push({ field, description });
  }
}
