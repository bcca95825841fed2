// Says in one line what kept the service from starting.

/** The fault as a person would put it; never a stack, never a secret. */
export function describeFault(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = rootCause(error);
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  if (/EADDRINUSE/.test(code + cause.message))
    return `LATCHKEY_GRPC_ADDRESS or LATCHKEY_HTTP_ADDRESS is in use already: ${cause.message}`;
  if (/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH/.test(code))
    return `the database cannot be reached: ${messageOf(cause)}`;
  if (code.startsWith('28')) return `the database refuses the login: ${cause.message}`;
  if (code === '3D000') return `the database does not exist: ${cause.message}`;
  const isFull = /^(ENOSPC|EDQUOT|53100)$/.test(code);
  if (isFull) return `no space left on the disk (${messageOf(cause)}); free some and start again`;
  if (/^(EACCES|EPERM|EROFS)$/.test(code) && 'path' in cause)
    return `${String(cause.path)} cannot be written or read (${code}); give the user who runs latchkey access to it, or set LATCHKEY_DATA_DIR to another folder`;
  if (code === '42P01') return `the schema is behind (${cause.message}); run: latchkey migrate`;
  return messageOf(error);
}

function rootCause(error: Error): Error {
  return error.cause instanceof Error ? rootCause(error.cause) : error;
}

// Node's AggregateError for a host with several addresses has no message of its own.
function messageOf(error: Error): string {
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError)
    return error.errors
      .map((inner: unknown) => (inner instanceof Error ? inner.message : String(inner)))
      .join('; ');
  return error.name;
}
