// The error by which configuration is refused, and the prefix of every variable.

/** What the name of every variable begins with. */
export const PREFIX = 'LATCHKEY_';

/** A variable that is wrong, and what is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
