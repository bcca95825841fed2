// ListUsers over every protocol: what it finds, its pages, and what it refuses.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ListUsersRequestSchema } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { UserOrder } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { UserStatus } from '../../gen/latchkey/v1/user_pb.ts';
import type { Member } from '../support/members.ts';
import { member } from '../support/members.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { NOW, sampleUser } from '../support/samples.ts';
import type { Protocol, TestService } from '../support/service.ts';
import { PROTOCOLS, startTestService } from '../support/service.ts';

const PEOPLE = 130;

let service: TestService;
let moderator: Member;

beforeAll(async () => {
  service = await startTestService();
  moderator = await member(service, 'moderator', 'moderator');
  for (let index = 0; index < PEOPLE; index += 1) {
    const email = `Person.${index}@list.example`;
    await service.app.users.insert(
      sampleUser({
        email: { text: email, key: email.toLowerCase() },
        fullName: `Zoë Nº${index}`,
        createTime: NOW + index,
        emailVerified: index % 2 === 0,
      }),
    );
  }
});
afterAll(() => service.stop());

type Request = MessageInitShape<typeof ListUsersRequestSchema>;
const list = (request: Request, protocol: Protocol = 'grpc') =>
  service.admin(protocol).listUsers(request, moderator.options);
const fieldsOf = async (request: Request) => {
  const { reason, fields } = await refusalOf(list(request));
  expect(reason).toBe('VALIDATION_FAILED');
  return fields;
};

async function pages(request: Request, sizes: readonly number[], protocol: Protocol) {
  const emails: string[] = [];
  let pageToken = '';
  for (let page = 0; ; page += 1) {
    const pageSize = sizes[page % sizes.length] ?? 0;
    const answer = await list({ ...request, pageSize, pageToken }, protocol);
    emails.push(...answer.users.map(({ email }) => email));
    pageToken = answer.nextPageToken;
    if (pageToken === '') return emails;
  }
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  it('finds accounts, newest first, fifty a page by default', async () => {
    const answer = await list({ query: 'LIST.example' }, protocol);
    expect(answer.users).toHaveLength(50);
    expect(answer.users[0]).toMatchObject({
      email: `Person.${PEOPLE - 1}@list.example`,
      fullName: `Zoë Nº${PEOPLE - 1}`,
      role: 'user',
      status: UserStatus.ACTIVE,
      emailVerified: false,
      mfaEnabled: false,
      createTime: timestampFromMs(NOW + PEOPLE - 1),
    });
    expect(answer.nextPageToken).not.toBe('');
  });

  it('walks every order, with pages of any size, and meets each account once', async () => {
    const newest = Array.from({ length: PEOPLE }, (_, index) => `Person.${index}@list.example`).toReversed();
    const byAddress = newest.toSorted();
    const orders = [
      [UserOrder.CREATE_TIME_DESC, newest],
      [UserOrder.CREATE_TIME_ASC, newest.toReversed()],
      [UserOrder.EMAIL_ASC, byAddress],
      [UserOrder.EMAIL_DESC, byAddress.toReversed()],
    ] as const;
    for (const [order, expected] of orders)
      expect(await pages({ query: 'person.', order }, [50, 7, 60], protocol)).toEqual(expected);
  });

  it('filters', async () => {
    const { users } = await list({ query: 'nº', pageSize: 1_000 }, protocol);
    expect(users).toEqual([]);
    const found = async (request: Request) =>
      (await list({ pageSize: 1_000, ...request }, protocol)).users.length;
    expect(await found({ query: 'ZOË nº12' })).toBe(11);
    expect(await found({ query: 'zo', filters: { emailVerified: true } })).toBe(PEOPLE / 2);
    expect(await found({ filters: { roles: ['moderator', 'super_admin'] } })).toBe(2);
    expect(await found({ filters: { roles: ['nobody-has-it'] } })).toBe(0);
    expect(await found({ filters: { statuses: [UserStatus.DELETED, UserStatus.SUSPENDED] } })).toBe(0);
    const ages = { createTimeStart: timestampFromMs(NOW + 10), createTimeEnd: timestampFromMs(NOW + 20) };
    expect(await found({ filters: ages })).toBe(10);
    expect(await found({ filters: { lastLoginTimeStart: timestampFromMs(0) } })).toBe(1);
  });
});

describe('a page token', () => {
  const request = {
    query: 'person',
    order: UserOrder.EMAIL_ASC,
    pageSize: 5,
    filters: { roles: ['user', 'admin'] },
  };

  it('is good for the same query in another spelling, and for pages of another size', async () => {
    const { nextPageToken: pageToken } = await list(request);
    const again = { ...request, filters: { roles: ['admin', 'user', 'admin'] }, pageSize: 3, pageToken };
    expect((await list(again)).users).toHaveLength(3);
  });

  it('is refused by any other query', async () => {
    const { nextPageToken: pageToken } = await list(request);
    const others: Request[] = [
      { ...request, query: 'persons' },
      { ...request, query: 'Person' },
      { ...request, order: UserOrder.EMAIL_DESC },
      { ...request, order: UserOrder.CREATE_TIME_ASC },
      { ...request, filters: { roles: ['user'] } },
      { ...request, filters: { ...request.filters, emailVerified: false } },
      { ...request, filters: { ...request.filters, statuses: [UserStatus.ACTIVE] } },
      { ...request, filters: { ...request.filters, createTimeStart: timestampFromMs(1) } },
      { ...request, filters: { ...request.filters, lastLoginTimeEnd: timestampFromMs(1) } },
      {},
    ];
    for (const other of others) expect(await fieldsOf({ ...other, pageToken })).toEqual(['page_token']);
  });

  it('is refused when it is forged, cut, edited, or of another list', async () => {
    const { nextPageToken: token } = await list(request);
    const middle = Math.floor(token.length / 2);
    const edited = `${token.slice(0, middle)}${token[middle] === 'A' ? 'B' : 'A'}${token.slice(middle + 1)}`;
    const position = { key: '0', id: moderator.id };
    const foreign = service.app.pageTokenCodec.write(`api-keys/${moderator.id}`, position);
    const forged = Buffer.from(JSON.stringify(position)).toString('base64url');
    const bad = [
      edited,
      token.slice(1),
      token.slice(0, -1),
      `${token}A`,
      `${token}=`,
      ` ${token}`,
      'x',
      forged,
      foreign,
    ];
    bad.push('A'.repeat(100_000));
    for (const pageToken of bad) expect(await fieldsOf({ ...request, pageToken })).toEqual(['page_token']);
  });

  it('names an account whose address is as long as addresses can be', async () => {
    const local = 'ж'.repeat(64);
    const domain = Array.from({ length: 3 }, () => '漢'.repeat(62)).join('.');
    const email = service.app.parseAddress(`${local}@${domain}`);
    expect(email).toBeDefined();
    const text = `${local}@${domain}`;
    const key = `${local}@${URL.parse(`http://${domain}`)?.hostname ?? ''}`;
    await service.app.users.insert(sampleUser({ email: { text, key }, fullName: 'Long one' }));
    await service.app.users.insert(sampleUser({ fullName: 'Long two' }));
    for (const order of [UserOrder.EMAIL_ASC, UserOrder.EMAIL_DESC]) {
      const first = await list({ query: 'long', pageSize: 1, order });
      const second = await list({ query: 'long', pageSize: 1, order, pageToken: first.nextPageToken });
      expect([...first.users, ...second.users].map(({ fullName }) => fullName).toSorted()).toEqual([
        'Long one',
        'Long two',
      ]);
    }
  });
});

describe('a request', () => {
  it('gets every rule that it breaks', async () => {
    const at = timestampFromMs(NOW);
    // As a client sends a value that a newer contract has.
    const [unknownOrder, unknownStatus] = [99 as UserOrder, 99 as UserStatus];
    const fields = await fieldsOf({
      pageSize: 1_001,
      query: 'x'.repeat(201),
      order: unknownOrder,
      filters: {
        roles: ['user', 'Not a role', ''],
        statuses: [UserStatus.ACTIVE, UserStatus.UNSPECIFIED, unknownStatus],
        createTimeStart: at,
        createTimeEnd: at,
        lastLoginTimeStart: create(TimestampSchema, { seconds: 10n ** 15n }),
      },
    });
    expect(fields.toSorted()).toEqual(
      [
        'page_size',
        'query',
        'order',
        'filters.roles[1]',
        'filters.roles[2]',
        'filters.statuses[1]',
        'filters.statuses[2]',
        'filters.create_time_start',
        'filters.create_time_end',
        'filters.last_login_time_start',
      ].toSorted(),
    );
    const many = (count: number) => Array.from({ length: count }, (_, index) => `role-${index}`);
    expect(await fieldsOf({ filters: { roles: many(21) } })).toEqual(['filters.roles']);
    expect((await list({ filters: { roles: many(20), statuses: [1, 2, 3] } })).users).toEqual([]);
    const statuses = Array.from({ length: 21 }, () => UserStatus.ACTIVE);
    expect(await fieldsOf({ filters: { statuses } })).toEqual(['filters.statuses']);
    expect(await fieldsOf({ pageSize: -1 })).toEqual(['page_size']);
    const [start, end] = [timestampFromMs(NOW + 1), at];
    expect(await fieldsOf({ filters: { lastLoginTimeStart: start, lastLoginTimeEnd: end } })).toEqual([
      'filters.last_login_time_start',
      'filters.last_login_time_end',
    ]);
  });

  it.each([
    ['of ten thousand characters', 'x'.repeat(10_000)],
    ['with a control character', 'a\nb'],
    ['with a null', 'a\0b'],
    ['with an invisible character', 'a\u200Bb'],
  ])('is refused a query %s', async (_name, query) => {
    expect(await fieldsOf({ query })).toEqual(['query']);
  });

  it.each(["'; drop table users; --", '.*', '%', '_', '\\', '$1', "' or true --", '(a+)+$'])(
    'finds nothing by %s',
    async (query) => {
      expect((await list({ query })).users).toEqual([]);
      expect((await list({ query: 'person', pageSize: 1 })).users).toHaveLength(1);
    },
  );

  it('takes composed and decomposed letters for the same', async () => {
    expect((await list({ query: 'Zoe\u0308', pageSize: 1 })).users).toHaveLength(1);
  });
});
