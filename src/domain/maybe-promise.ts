// Answers that are there at once on a cache hit, and later on a miss: the hot path pays for no promise.

/** A value, or a promise of one. */
export type MaybePromise<Value> = Value | Promise<Value>;

/** `use` of the value: now when it is there, else when it comes. */
export function after<Value, Next>(
  value: MaybePromise<Value>,
  use: (value: Value) => MaybePromise<Next>,
): MaybePromise<Next> {
  return value instanceof Promise ? value.then(use) : use(value);
}
