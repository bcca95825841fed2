// The address of whoever sent a gRPC call.

/** Without the port, which grpc-js joins to it, IPv6 without brackets: with a short port that is an address too, and another one. */
export function peerAddressOf(call: { getPeer(): string }): string {
  return call.getPeer().replace(/:\d+$/, '');
}
