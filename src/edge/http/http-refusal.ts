// A request that breaks a rule of HTTP or of OAuth's way to use it, before anything is asked of the domain.

/** Statuses with which a request is refused for its form. */
export type RefusalStatus = 400 | 405 | 408 | 413 | 415;

/** A refusal; the message is `error_description`, so it holds no quote and no backslash (RFC 6749, section 5.2). */
export class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal';
  readonly status: RefusalStatus;

  constructor(status: RefusalStatus, message: string) {
    super(message);
    this.status = status;
  }
}
