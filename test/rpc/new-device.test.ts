// The owner hears of a login from a device not seen before; and of no other.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TestService } from '../support/service.ts';
import { GOOD_PASSWORD, startTestService } from '../support/service.ts';

describe('an email about a new device', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service.stop());

  const login = (identifier: string, deviceName: string, userAgent = 'browser/1') =>
    service
      .auth('connect')
      .login({ identifier, password: GOOD_PASSWORD, deviceName }, { headers: { 'user-agent': userAgent } });
  const register = async (name: string) => {
    const email = `${name}@example.com`;
    await service
      .auth()
      .register({ email, username: name, password: GOOD_PASSWORD, fullName: 'Test Person' });
  };
  const emails = async (name: string) => {
    const rows = await service.app.database.tables
      .selectFrom('outbox_mails')
      .select('letter')
      .where('recipient', '=', `${name}@example.com`)
      .orderBy('id')
      .execute();
    return rows.map(({ letter }) => letter).filter((letter) => letter['template'] === 'new_device');
  };

  it('is sent for another device, and not for the first or a known one', async () => {
    await register('traveller');
    for (let round = 0; round < 2; round += 1) await login('traveller', 'laptop');
    expect(await emails('traveller')).toEqual([]);
    await login('traveller', 'phone');
    await login('traveller', 'laptop', 'browser/2');
    await login('traveller', 'laptop');
    expect(await emails('traveller')).toMatchObject([
      { deviceName: 'phone', userAgent: 'browser/1', fullName: 'Test Person' },
      { deviceName: 'laptop', userAgent: 'browser/2' },
    ]);
  });

  it('is sent once for many logins at once', async () => {
    await register('many');
    await login('many', 'laptop');
    await Promise.all(Array.from({ length: 20 }, () => login('many', 'tablet')));
    expect(await emails('many')).toHaveLength(1);
  });

  it('takes no text of one field for the other', async () => {
    await register('ambiguous');
    await login('ambiguous', 'laptop');
    await login('ambiguous', 'a', 'b c');
    await login('ambiguous', 'a b', 'c');
    expect(await emails('ambiguous')).toHaveLength(2);
  });
});
