// Vitest's asymmetric matchers with types: as `unknown`, for vitest types them `any`.

import { expect } from 'vitest';

/** Any text. */
export const anyString: unknown = expect.any(String);
/** Any number. */
export const anyNumber: unknown = expect.any(Number);
/** Anything but null and undefined. */
export const anything: unknown = expect.anything();

/** An object with these members among others. */
export function containing(members: object): unknown {
  return expect.objectContaining(members);
}

/** An array with these elements among others, in any order. */
export function containingAll(elements: readonly unknown[]): unknown {
  return expect.arrayContaining([...elements]);
}

/** A DomainError with this reason. */
export function refusal(reason: string): unknown {
  return containing({ name: 'DomainError', reason });
}

/** A text with this one in it. */
export function containingText(text: string): unknown {
  return expect.stringContaining(text);
}
