// Reads the deadlines that callers write into headers: `grpc-timeout` and `connect-timeout-ms`.

const UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** A longer one is no deadline at all: it is cut from the request, for the libraries' timers would overflow or refuse it. */
export const MAX_TIMEOUT_MS = 86_400_000;

/** The header of each protocol, and how its value is written. */
const RULES: Readonly<Record<string, string>> = {
  'grpc-timeout': 'must be 1 to 8 digits and a unit: H, M, S, m, u or n',
  'connect-timeout-ms': 'must be 1 to 10 digits: milliseconds',
};

/** What a timeout header comes to. */
export type Timeout = { readonly timeoutMs: number } | { readonly fault: string };

/** `grpc-timeout`: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests */
export function readGrpcTimeout(text: string): Timeout {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) return faulty('grpc-timeout');
  return { timeoutMs: Number(match[1]) * (UNITS_MS[match[2] ?? ''] ?? 0) };
}

/** `connect-timeout-ms`: https://connectrpc.com/docs/protocol/#unary-request */
export function readConnectTimeout(text: string): Timeout {
  return /^\d{1,10}$/.test(text) ? { timeoutMs: Number(text) } : faulty('connect-timeout-ms');
}

function faulty(name: string): Timeout {
  return { fault: `the header ${name} ${RULES[name]}` };
}

/** The caller's deadline: what is wrong with how it is written, or how many milliseconds are left of it. */
export type Deadline = { readonly fault: string | undefined; readonly left: () => number | undefined };

/** Of a caller who gives as long as it takes. */
export const NO_DEADLINE: Deadline = { fault: undefined, left: () => undefined };

/** The deadline by a timeout that begins now; one longer than MAX_TIMEOUT_MS is none. */
export function deadlineIn(timeout: Timeout): Deadline {
  if ('fault' in timeout) return { fault: timeout.fault, left: () => undefined };
  if (timeout.timeoutMs > MAX_TIMEOUT_MS) return NO_DEADLINE;
  const end = performance.now() + timeout.timeoutMs;
  return { fault: undefined, left: () => Math.max(0, end - performance.now()) };
}
