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
} from '../../gen/grpc/health/v1/health_pb.ts';
import { definitionOf } from './grpc-definition.ts';

/** How many watch at once. Nobody shows a credential here. */
export const MAX_WATCHES = 1_000;

type Watch = {
  readonly call: ServerWritableStream<Buffer, Buffer>;
  readonly service: string;
  /** What was told last. */
  told: Status | undefined;
  isWriting: boolean;
};

/**
 * The health of a server, which is that of each of its services. Where there are too many watches, the oldest ends: an honest client watches again,
 * and whoever holds many open loses its own.
 */
export class GrpcHealth {
  readonly #services: ReadonlySet<string>;
  readonly #watches = new Set<Watch>();
  #isServing = false;

  /** By the names of the services; the server as a whole goes by the empty name. */
  constructor(services: readonly string[]) {
    this.#services = new Set(['', ...services]);
  }

  /** How many watch. */
  get watches(): number {
    return this.#watches.size;
  }

  /** Says whether the server serves, and tells those who watch. It does not until it is said. */
  set(isServing: boolean): void {
    this.#isServing = isServing;
    for (const watch of this.#watches) this.#tell(watch);
  }

  /** Adds the service to a server. */
  addTo(server: Server): void {
    server.addService(definitionOf(Health), { Check: this.#check, List: this.#list, Watch: this.#watch });
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
    if (this.#watches.size >= MAX_WATCHES) this.#endOldest();
    const watch: Watch = { call, service, told: undefined, isWriting: false };
    this.#watches.add(watch);
    call.once('close', () => this.#watches.delete(watch));
    this.#tell(watch);
  };

  #statusOf(service: string): Status {
    if (!this.#services.has(service)) return Status.SERVICE_UNKNOWN;
    return this.#isServing ? Status.SERVING : Status.NOT_SERVING;
  }

  // One who does not read is told the newest once it does, and nothing of what was between.
  #tell(watch: Watch): void {
    const status = this.#statusOf(watch.service);
    if (watch.isWriting || watch.told === status) return;
    watch.told = status;
    watch.isWriting = true;
    watch.call.write(answer(status), () => {
      watch.isWriting = false;
      if (this.#watches.has(watch)) this.#tell(watch);
    });
  }

  #endOldest(): void {
    const [oldest] = this.#watches;
    if (oldest === undefined) return;
    this.#watches.delete(oldest);
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
