// Reflection answers extensions, in both versions of its protocol, by names with a leading dot and without.

import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectTo, REFLECTION_VERSIONS, reflectionOver } from '../support/foreign-grpc.ts';
import { startTestService, type TestService } from '../support/service.ts';

const NOT_FOUND = 5;
const ACCESS = 51_001;

let service: TestService;
let client: ReturnType<typeof connectTo>;
beforeAll(async () => {
  service = await startTestService();
  client = connectTo(service.grpcAddress);
});
afterAll(async () => {
  client.close();
  await service.stop();
});

describe.each(REFLECTION_VERSIONS)('%s', (version) => {
  const ask = (question: object) => reflectionOver(client, version)(question);

  it.each(['google.protobuf.MethodOptions', '.google.protobuf.MethodOptions'])('of %s', async (name) => {
    const numbers = await ask({ all_extension_numbers_of_type: name });
    expect(numbers.all_extension_numbers_response?.extension_number).toContain(ACCESS);
    const found = await ask({
      file_containing_extension: { containing_type: name, extension_number: ACCESS },
    });
    const files = found.file_descriptor_response?.file_descriptor_proto ?? [];
    const names = files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
    expect(names[0]).toBe('latchkey/v1/access.proto');
  });

  it('none where there is none', async () => {
    const unknown = { containing_type: 'google.protobuf.MethodOptions', extension_number: 1 };
    expect((await ask({ file_containing_extension: unknown })).error_response?.error_code).toBe(NOT_FOUND);
    const nobody = await ask({ all_extension_numbers_of_type: 'no.such.Type' });
    expect(nobody.error_response?.error_code).toBe(NOT_FOUND);
  });
});
