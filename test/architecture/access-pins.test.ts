// Pins who may call each RPC: a change of a rule, or of the option's number on the wire, shows in access-pins.txt, and is reviewed there.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getOption, toJsonString } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { access, AccessSchema } from '../../gen/latchkey/v1/access_pb.ts';
import { AdminService } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';

const PINS = join(import.meta.dirname, 'access-pins.txt');

it('every RPC has the access rule that is written down, and the option its number', async () => {
  const rules = [AuthService, UserService, AdminService].flatMap(({ name, methods }) =>
    methods.map(
      (method) => `${name}/${method.name} ${toJsonString(AccessSchema, getOption(method, access))}`,
    ),
  );
  const written = (await readFile(PINS, 'utf8')).trimEnd().split('\n');
  expect([`${access.typeName} = ${access.number}`, ...rules.toSorted()]).toEqual(written);
});
