// Values that are there at once when they are cached, and later when they must be looked up: the hot path pays for no promise.

/** A value, or a promise of one. */
export type MaybePromise<Value> = Value | Promise<Value>;

/** `use` of the value: now when it is there, else when it comes. */
export function after<Value, Next>(
  value: MaybePromise<Value>,
  use: (value: Value) => MaybePromise<Next>,
): MaybePromise<Next> {
  return value instanceof Promise ? value.then(use) : use(value);
}

/** What `work` comes to, or, when it throws or rejects, what `recover` comes to. */
export function orElse<Value>(
  work: () => MaybePromise<Value>,
  recover: (error: unknown) => MaybePromise<Value>,
): MaybePromise<Value> {
  try {
    const value = work();
    return value instanceof Promise ? value.catch(recover) : value;
  } catch (error) {
    return recover(error);
  }
}
