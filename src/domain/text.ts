// Rules that every string from outside obeys before anything else looks at it.

import type { FieldViolation } from './errors.ts';
import { holdsInvisible, holdsStrayInvisible, isVisible } from './invisible-characters.ts';

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
  /** Names of people and things, and what is written about them: joiners and selectors where scripts and emoji need them, no blanks around. */
  readonly name?: boolean;
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
  const given = rule.name === true ? raw.trim() : raw;
  const isPlain = PLAIN.test(given);
  if (!isPlain && !given.isWellFormed())
    return refuse('must be well-formed Unicode (it holds a lone surrogate)');
  const text = isPlain ? given : given.normalize('NFC');
  const length = isPlain ? text.length : [...text].length;
  if (length === 0 && min > 0) return refuse('is required');
  if (length < min) return refuse(`must have at least ${min} characters`);
  if (length > rule.max) return refuse(`must have at most ${rule.max} characters`);
  if (!isPlain && isForbidden(rule, text))
    return refuse('must not hold control or invisible formatting characters');
  if (!isPlain && rule.name === true && text !== '' && !isVisible(text))
    return refuse('must hold a character that can be seen');
  return { text };
}

function isForbidden({ secret, name }: TextRule, text: string): boolean {
  if (secret === true) return FORBIDDEN_IN_SECRETS.test(text);
  return name === true ? holdsStrayInvisible(text) : holdsInvisible(text);
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
