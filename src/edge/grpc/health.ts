// The standard health service: https://github.com/grpc/grpc/blob/master/doc/health-checking.md

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { handleServerStreamingCall, handleUnaryCall, Server, ServerWritableStream } from '@grpc/grpc-js';
import { status as Code } from '@grpc/grpc-js';
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
} from '../../../gen/grpc/health/v1/health_pb.ts';
import { definitionOf } from './definition.ts';
import { peerAddressOf } from './peer-address.ts';

/** How many watch at once. Nobody shows a credential here. */
export const MAX_WATCHES = 1_000;

type Watch = {
  readonly call: ServerWritableStream<Buffer, Buffer>;
  readonly service: string;
  /** What was sent last. */
  sent: Status | undefined;
  isWriting: boolean;
  isOver: boolean;
};

/**
 * The health of a server, which is that of each of its services. Where there are too many watches, whoever has the most loses its oldest: an honest
 * client has few, and watches again.
 */
export class GrpcHealth {
  readonly #services: ReadonlySet<string>;
  /** By the address that they come from, oldest first. */
  readonly #watches = new Map<string, Set<Watch>>();
  #count = 0;
  #isServing = false;

  /** By the names of the services; the server as a whole goes by the empty name. */
  constructor(services: readonly string[]) {
    this.#services = new Set(['', ...services]);
  }

  /** How many watch. */
  get watches(): number {
    return this.#count;
  }

  /** Says whether the server serves, and notifies those who watch. It does not until it is said. */
  set(isServing: boolean): void {
    this.#isServing = isServing;
    for (const watches of this.#watches.values()) for (const watch of watches) this.#notify(watch);
  }

  /** Adds the service to a server. */
  addTo(server: Server): void {
    server.addService(definitionOf(Health.methods), {
      Check: this.#check,
      List: this.#list,
      Watch: this.#watch,
    });
  }

  readonly #check: handleUnaryCall<Buffer, Buffer> = (call, respond) => {
    const service = serviceIn(call.request);
    if (service === undefined) return respond(MALFORMED);
    const status = this.#statusOf(service);
    if (status !== Status.SERVICE_UNKNOWN) return respond(null, answer(status));
    respond({ code: Code.NOT_FOUND, details: 'There is no such service.' });
  };

  readonly #list: handleUnaryCall<Buffer, Buffer> = (_call, respond) => {
    const entries = [...this.#services].map(
      (service) => [service, { status: this.#statusOf(service) }] as const,
    );
    const message = create(HealthListResponseSchema, { statuses: Object.fromEntries(entries) });
    respond(null, Buffer.from(toBinary(HealthListResponseSchema, message)));
  };

  readonly #watch: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    const service = serviceIn(call.request);
    if (service === undefined) return void call.emit('error', MALFORMED);
    if (this.#count >= MAX_WATCHES) this.#endOne();
    const watch: Watch = { call, service, sent: undefined, isWriting: false, isOver: false };
    const address = peerAddressOf(call);
    this.#enter(address, watch);
    call.once('close', () => this.#leave(address, watch));
    this.#notify(watch);
  };

  #enter(address: string, watch: Watch): void {
    const watches = this.#watches.get(address) ?? new Set();
    this.#watches.set(address, watches.add(watch));
    this.#count += 1;
  }

  #leave(address: string, watch: Watch): void {
    watch.isOver = true;
    const watches = this.#watches.get(address);
    if (watches?.delete(watch) !== true) return;
    this.#count -= 1;
    if (watches.size === 0) this.#watches.delete(address);
  }

  #statusOf(service: string): Status {
    if (!this.#services.has(service)) return Status.SERVICE_UNKNOWN;
    return this.#isServing ? Status.SERVING : Status.NOT_SERVING;
  }

  // One who does not read is sent the newest once it does, and nothing of what was between.
  #notify(watch: Watch): void {
    const status = this.#statusOf(watch.service);
    if (watch.isOver || watch.isWriting || watch.sent === status) return;
    watch.sent = status;
    watch.isWriting = true;
    watch.call.write(answer(status), () => {
      watch.isWriting = false;
      this.#notify(watch);
    });
  }

  #endOne(): void {
    const [fullest] = [...this.#watches].toSorted(([, one], [, other]) => other.size - one.size);
    const [oldest] = fullest?.[1] ?? [];
    if (fullest === undefined || oldest === undefined) return;
    this.#leave(fullest[0], oldest);
    oldest.call.emit('error', { code: Code.RESOURCE_EXHAUSTED, details: 'Too many watch. Watch again.' });
  }
}

const MALFORMED = {
  code: Code.INVALID_ARGUMENT,
  details: `The request is not a ${HealthCheckRequestSchema.typeName}.`,
};

function serviceIn(bytes: Buffer): string | undefined {
  try {
    return fromBinary(HealthCheckRequestSchema, bytes).service;
  } catch {
    return undefined;
  }
}

function answer(status: Status): Buffer {
  return Buffer.from(toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status })));
}
