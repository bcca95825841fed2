// A gRPC client that knows nothing of our generated code: grpc-js, and what the server describes by reflection.

import { resolve } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
} from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type ServiceDefinition } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { z } from 'zod';

const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true } as const;
const HEALTH_PROTO = resolve(import.meta.dirname, '../../proto/grpc/health/v1/health.proto');

/** The versions of the reflection protocol. */
export const REFLECTION_VERSIONS = ['v1', 'v1alpha'] as const;
type ReflectionVersion = (typeof REFLECTION_VERSIONS)[number];

const REFLECTION_PROTOS: Readonly<Record<ReflectionVersion, string>> = {
  v1: resolve(import.meta.dirname, '../../proto/grpc/reflection/v1/reflection.proto'),
  v1alpha: resolve(import.meta.dirname, 'reflection-v1alpha.proto'),
};

const ReflectionAnswer = z.object({
  list_services_response: z.object({ service: z.array(z.object({ name: z.string() })) }).nullish(),
  file_descriptor_response: z.object({ file_descriptor_proto: z.array(z.instanceof(Buffer)) }).nullish(),
  all_extension_numbers_response: z.object({ extension_number: z.array(z.number()) }).nullish(),
  error_response: z.object({ error_code: z.number() }).nullish(),
});
const HealthAnswer = z.object({ status: z.string() });

/** A connection to `address`; close it with `close`. */
export function connectTo(address: string): Client {
  return new Client(address, credentials.createInsecure());
}

/** Calls a unary method as the server describes it; the answer has the field names of the proto file. */
export function callReflected(
  client: Client,
  types: PackageDefinition,
  service: string,
  method: string,
  request: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const { path, requestSerialize, responseDeserialize } = methodOf(types, service, method);
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return new Promise((resolvePromise, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      (error, response: unknown) => {
        if (error === null) resolvePromise(response);
        else reject(error);
      },
    );
  });
}

/** The names of the services, and every file that describes them, as reflection answers them. */
export async function reflect(client: Client, version: ReflectionVersion) {
  const ask = reflectionOver(client, version);
  const listed = await ask({ list_services: '*' });
  const services = (listed.list_services_response?.service ?? []).map(({ name }) => name);
  const files = new Map<string, FileDescriptorProto>();
  const take = async (request: object): Promise<void> => {
    const answer = await ask(request);
    for (const bytes of answer.file_descriptor_response?.file_descriptor_proto ?? []) {
      const file = fromBinary(FileDescriptorProtoSchema, bytes);
      files.set(file.name, file);
    }
  };
  for (const symbol of services) await take({ file_containing_symbol: symbol });
  const missing = () =>
    [...files.values()].flatMap(({ dependency }) => dependency).find((name) => !files.has(name));
  for (let name = missing(); name !== undefined; name = missing()) await take({ file_by_filename: name });
  return { services, files: [...files.values()] };
}

/** What @grpc/proto-loader makes of these files. */
export function typesFrom(files: readonly FileDescriptorProto[]): PackageDefinition {
  const set = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [...files] }));
  return loadFileDescriptorSetFromBuffer(Buffer.from(set), OPTIONS);
}

/** The health of a service as grpc.health.v1 reports it. */
export async function checkHealth(client: Client, service: string): Promise<string> {
  const types = loadSync(HEALTH_PROTO, OPTIONS);
  return HealthAnswer.parse(await callReflected(client, types, 'grpc.health.v1.Health', 'Check', { service }))
    .status;
}

/** Watches the health of a service; `seen` grows with each change. */
export function watchHealth(client: Client, service: string) {
  const types = loadSync(HEALTH_PROTO, OPTIONS);
  const { path, requestSerialize, responseDeserialize } = methodOf(types, 'grpc.health.v1.Health', 'Watch');
  const seen: string[] = [];
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service });
  stream.on('data', (answer: unknown) => seen.push(HealthAnswer.parse(answer).status));
  stream.on('error', () => undefined);
  return { seen, cancel: () => stream.cancel() };
}

function methodOf(types: PackageDefinition, service: string, method: string): ServiceDefinition[string] {
  const definition = (types[service] as ServiceDefinition | undefined)?.[method];
  if (definition === undefined) throw new Error(`${service}/${method} is not described`);
  return definition;
}

/** Asks one question of reflection. */
export function reflectionOver(client: Client, version: ReflectionVersion) {
  const types = loadSync(REFLECTION_PROTOS[version], OPTIONS);
  const method = methodOf(types, `grpc.reflection.${version}.ServerReflection`, 'ServerReflectionInfo');
  return (request: object): Promise<z.infer<typeof ReflectionAnswer>> =>
    new Promise((resolvePromise, reject) => {
      const stream = client.makeBidiStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
      );
      stream.on('data', (answer: unknown) => resolvePromise(ReflectionAnswer.parse(answer)));
      stream.on('error', reject);
      stream.write(request);
      stream.end();
    });
}
