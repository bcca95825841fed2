// Every handler of an RPC with a limit charges it by itself, between checking its request and doing the work.

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { AdminService } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../../gen/latchkey/v1/user_service_pb.ts';
import { accessTable } from '../../src/edge/pipeline/access-table.ts';
import { ROOT } from '../support/printed-steps.ts';

const sources = globSync('src/edge/operations/**/*.ts', { cwd: ROOT }).map((file) =>
  readFileSync(join(ROOT, file), 'utf8'),
);

/** What stands between the braces of a handler. */
function bodyOf(localName: string): string {
  const pattern = new RegExp(`^( +)async ${localName}\\(.*?^\\1\\},$`, 'ms');
  return sources.map((source) => pattern.exec(source)?.[0] ?? '').join('');
}

const limited = [
  ...accessTable([AuthService, UserService, AdminService], { anonymousValidation: false }),
].flatMap(([{ localName }, { limitClass }]) => (limitClass === undefined ? [] : [localName]));

it.each(limited)('%s', (localName) => {
  const body = bodyOf(localName);
  expect(body).toContain('await call.charge();');
  if (body.includes('reader.finish()'))
    expect(body.indexOf('reader.finish()')).toBeLessThan(body.indexOf('call.charge()'));
});

it('is a rule for more than a few', () => {
  expect(limited.length).toBeGreaterThan(15);
});
