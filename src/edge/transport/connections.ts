// The connections of one listening socket: how many at most, from everywhere and from one address, and how the rest is cut.

import type { Server, Socket } from 'node:net';

export type ConnectionLimits = {
  readonly maxConnections: number;
  readonly maxPerAddress: number;
  /** What counts as one address. */
  readonly keyOf: (address: string) => string;
  /** Addresses that bring the connections of many others: trusted proxies. */
  readonly isExempt: (address: string) => boolean;
};

/** The open connections of a server. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #sockets = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();
  readonly #onRefused: (address: string) => void;

  /** `onRefused` is called for every connection that was one too many from its address. */
  constructor(limits: ConnectionLimits, onRefused: (address: string) => void) {
    this.#limits = limits;
    this.#onRefused = onRefused;
  }

  /** How many are open. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Stands before whatever `server` does with a connection, the TLS handshake too. Call it before anything else listens for connections. */
  guard(server: Server): void {
    server.maxConnections = this.#limits.maxConnections;
    const serve = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket) => {
      if (!this.#enter(socket)) socket.destroy();
      else for (const listener of serve) Reflect.apply(listener, server, [socket]);
    });
  }

  /** Cuts all of them. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #enter(socket: Socket): boolean {
    const address = socket.remoteAddress;
    // Gone already.
    if (address === undefined) return false;
    const key = this.#limits.isExempt(address) ? undefined : this.#limits.keyOf(address);
    if (key !== undefined && !this.#count(key)) {
      this.#onRefused(address);
      return false;
    }
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (key !== undefined) this.#uncount(key);
    });
    return true;
  }

  #count(key: string): boolean {
    const count = this.#perAddress.get(key) ?? 0;
    if (count >= this.#limits.maxPerAddress) return false;
    this.#perAddress.set(key, count + 1);
    return true;
  }

  #uncount(key: string): void {
    const count = this.#perAddress.get(key) ?? 1;
    if (count === 1) this.#perAddress.delete(key);
    else this.#perAddress.set(key, count - 1);
  }
}
