// What an owner reads of their own account: every change of credentials, in order, theirs alone.

import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecurityEventOutcome } from '../../gen/latchkey/v1/security_event_pb.ts';
import { issueApiKey } from '../support/forged-tokens.ts';
import { refusalOf } from '../support/rpc-calls.ts';
import { bearer, PROTOCOLS, signIn, signUp, startTestService, type TestService } from '../support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

/** What the calls of a test bring about: logins aside, and what the mail job notes when it comes to the email. */
const isOfInterest = (kind: string) =>
  !['session.login', 'account.email_verification_request'].includes(kind);
const kindsOf = async (headers: ReturnType<typeof bearer>) =>
  (await service.user().listSecurityEvents({}, headers)).events.map(({ kind }) => kind);

describe('security events', () => {
  it('list what was done to the account and from where', async () => {
    const { accessToken } = await signUp(service, 'ada');
    const headers = bearer(accessToken);
    const id = decodeJwt(accessToken).sub ?? '';
    const user = service.user();
    const { apiKey, secret } = await user.createApiKey(
      { displayName: 'A', scopes: ['account:read'] },
      headers,
    );
    await service.auth().exchangeApiKey({}, bearer(secret));
    const rotated = await user.rotateApiKey(
      { apiKeyId: apiKey?.id ?? '', overlap: durationFromMs(60_000) },
      headers,
    );
    await user.revokeApiKey({ apiKeyId: apiKey?.id ?? '' }, headers);
    await service.auth().revokeToken({ token: rotated.secret });
    const session = await signIn(service, 'ada');
    await user.revokeSession({ sessionId: session.sessionId }, headers);
    const { events } = await user.listSecurityEvents({}, headers);
    const told = events.filter(({ kind }) => isOfInterest(kind));
    expect(told.map(({ kind, targetId }) => [kind, targetId])).toEqual([
      ['session.revoke', session.sessionId],
      ['api_key.revoke', rotated.apiKey?.id],
      ['api_key.revoke', apiKey?.id],
      ['api_key.rotate', apiKey?.id],
      ['api_key.exchange', apiKey?.id],
      ['api_key.create', apiKey?.id],
      ['account.register', id],
    ]);
    for (const event of told) {
      expect(event).toMatchObject({
        outcome: SecurityEventOutcome.SUCCESS,
        reason: '',
        actorId: id,
        ipAddress: '127.0.0.1',
      });
      expect(event.requestId).not.toBe('');
    }
    expect(JSON.stringify(events.map((event) => ({ ...event, time: undefined })))).not.toContain('lkak_');
  });

  it("are the owner's alone: not another user's, not an administrator's, not a service's", async () => {
    const owner = await signUp(service, 'grace');
    const stranger = bearer((await signUp(service, 'eve')).accessToken);
    await service.auth().revokeToken({ token: owner.accessToken });
    expect(await kindsOf(stranger)).not.toContain('token.revoke');
    const { text } = await issueApiKey(service.app, ['account:read']);
    const asService = bearer((await service.auth().exchangeApiKey({}, bearer(text))).accessToken);
    expect((await refusalOf(kindsOf(asService))).reason).toBe('CREDENTIAL_NOT_ALLOWED');
    const again = bearer((await signIn(service, 'grace')).accessToken);
    expect(await kindsOf(again)).toContain('token.revoke');
  });

  it('list a theft and a logout', async () => {
    const { refreshToken } = await signUp(service, 'joan');
    const first = await service.auth().refreshToken({ refreshToken });
    await service.auth().refreshToken({ refreshToken: first.tokens?.refreshToken ?? '' });
    expect((await refusalOf(service.auth().refreshToken({ refreshToken }))).reason).toBe(
      'REFRESH_TOKEN_REUSED',
    );
    const other = await signIn(service, 'joan');
    await service.auth().logout({}, bearer(other.accessToken));
    const last = bearer((await signIn(service, 'joan')).accessToken);
    await service.auth().logoutAll({}, last);
    const kinds = await kindsOf(bearer((await signIn(service, 'joan')).accessToken));
    expect(kinds.filter(isOfInterest)).toEqual([
      'session.logout_all',
      'session.logout',
      'session.refresh_reuse',
      'account.register',
    ]);
  });
});

/** With another character at its beginning: at the end some spell no bits of their own. */
const edited = (token: string) => `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`;

describe.each(PROTOCOLS)('pages over %s', (protocol) => {
  it('of events and of keys go on where the last one ended, for their owner and their list alone', async () => {
    const owner = bearer((await signUp(service, `pages-${protocol}`)).accessToken);
    const other = bearer((await signUp(service, `other-${protocol}`)).accessToken);
    const user = service.user(protocol);
    const made: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      const { apiKey } = await user.createApiKey({ displayName: 'A', scopes: ['account:read'] }, owner);
      made.unshift(apiKey?.id ?? '');
    }
    const keys: string[] = [];
    const targets: string[] = [];
    let [keyToken, eventToken] = ['', ''];
    do {
      const page = await user.listApiKeys({ pageSize: 2, pageToken: keyToken }, owner);
      keys.push(...page.apiKeys.map(({ id }) => id));
      keyToken = page.nextPageToken;
    } while (keyToken !== '');
    do {
      const page = await user.listSecurityEvents({ pageSize: 2, pageToken: eventToken }, owner);
      targets.push(
        ...page.events.filter(({ kind }) => kind === 'api_key.create').map((event) => event.targetId),
      );
      eventToken = page.nextPageToken;
    } while (eventToken !== '');
    expect(keys).toEqual(made);
    expect(targets).toEqual(made);

    const { nextPageToken: ofKeys } = await user.listApiKeys({ pageSize: 1 }, owner);
    const { nextPageToken: ofEvents } = await user.listSecurityEvents({ pageSize: 1 }, owner);
    const refused = { code: 'InvalidArgument', fields: ['page_token'] };
    for (const pageToken of [ofEvents, 'x', `${ofKeys}A`, edited(ofKeys), `${ofKeys}=`])
      expect(await refusalOf(user.listApiKeys({ pageToken }, owner))).toMatchObject(refused);
    for (const pageToken of [ofKeys, 'x', edited(ofEvents)])
      expect(await refusalOf(user.listSecurityEvents({ pageToken }, owner))).toMatchObject(refused);
    expect(await refusalOf(user.listApiKeys({ pageToken: ofKeys }, other))).toMatchObject(refused);
    expect(await refusalOf(user.listSecurityEvents({ pageToken: ofEvents }, other))).toMatchObject(refused);
    expect(await refusalOf(user.listSessions({ pageToken: ofKeys }, owner))).toMatchObject(refused);
  });
});
