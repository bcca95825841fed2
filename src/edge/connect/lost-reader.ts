// Keeps connect-node from reporting a reader that is gone as a failure of its handler.

import type { connectNodeAdapter } from '@connectrpc/connect-node';

type NodeHandler = ReturnType<typeof connectNodeAdapter>;

/**
 * A write that waits for a reader who resets the connection ends with ECANCELED, which connect-node prints as an internal error. The error of the
 * connection itself, ECONNRESET, comes first, and connect-node knows what that means.
 */
export function withLostReaders(handle: NodeHandler): NodeHandler {
  return (request, response) => {
    const { socket } = request;
    // Only a pending write listens.
    const passOn = (error: Error) => {
      if (response.listenerCount('error') > 0) response.emit('error', error);
    };
    socket.on('error', passOn);
    response.once('close', () => socket.off('error', passOn));
    handle(request, response);
  };
}
