// RFC 7009: who holds a token ends it, over plain HTTP.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { issueApiKey, signToken, strangersTokens } from '../support/forged-tokens.ts';
import { basic, curl, INTROSPECT, postForm, REVOKE } from '../support/oauth-calls.ts';
import { countRows } from '../support/row-counts.ts';
import { endingOf } from '../support/rpc-calls.ts';
import { bearer, signIn, signUp, startTestService, type TestService } from '../support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ variables: { TRUSTED_PROXIES: '127.0.0.1,::1' } });
});
afterAll(() => service.stop());

const revoke = (token: string, headers: Record<string, string> = {}) =>
  postForm(service, REVOKE, { token }, headers);

async function isActive(token: string): Promise<boolean> {
  const gateway = bearer(service.secrets?.gatewayApiKey ?? '').headers;
  const { json } = await postForm(service, INTROSPECT, { token }, gateway);
  return (json as { active: boolean }).active;
}

const auditEvents = () => service.app.database.tables.selectFrom('audit_events').selectAll().execute();

it('curl ends a refresh token, and its session and access token with it', async () => {
  const { accessToken, refreshToken, sessionId } = await signUp(service, 'refresh');
  const other = await signIn(service, 'refresh@example.com');
  const answer = await curl(
    '--data-urlencode',
    `token=${refreshToken}`,
    '-d',
    'token_type_hint=refresh_token',
    service.httpUrl + REVOKE,
  );
  expect(answer).toEqual({ status: 200, json: undefined });
  expect(await isActive(accessToken)).toBe(false);
  expect(await endingOf(service.auth().refreshToken({ refreshToken }))).toContain('Unauthenticated');
  expect(await isActive(other.accessToken)).toBe(true);
  expect(sessionId).not.toBe('');
});

it('an access token ends alone, whatever the hint', async () => {
  const { accessToken, refreshToken } = await signUp(service, 'access');
  const answer = await postForm(service, REVOKE, { token: accessToken, token_type_hint: 'refresh_token' });
  expect([answer.status, answer.text]).toEqual([200, '']);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(await isActive(accessToken)).toBe(false);
  expect((await service.auth().refreshToken({ refreshToken })).tokens).toBeDefined();
});

it('an API key ends for good', async () => {
  const key = await issueApiKey(service.app, ['users:read']);
  expect(await isActive(key.text)).toBe(true);
  expect((await revoke(key.text)).status).toBe(200);
  expect(await isActive(key.text)).toBe(false);
});

it('what is no good token succeeds alike and leaves nothing behind', async () => {
  const before = [await countRows(service), (await auditEvents()).length];
  const forged = Object.values(await strangersTokens(service.app));
  const past = Math.floor(service.app.clock.now() / 1000) - 60;
  const texts = [
    'x',
    '\0',
    '\u{1F511}',
    "'; drop table users --",
    'lkrt_x',
    'lkak_x',
    'a'.repeat(60_000),
    service.app.apiKeyCodec.create(randomUUID()).text,
    await signToken(service.app, { exp: past }),
    ...forged,
  ];
  for (const text of texts) {
    const answer = await revoke(text);
    expect([answer.status, answer.text]).toEqual([200, '']);
  }
  expect([await countRows(service), (await auditEvents()).length]).toEqual(before);
});

it('needs no credential and looks at none', async () => {
  for (const headers of [bearer('garbage').headers, basic('client', 'secret'), { 'x-api-key': 'x' }]) {
    const token = await signToken(service.app);
    expect((await revoke(token, headers)).status).toBe(200);
    expect(await isActive(token)).toBe(false);
  }
});

it('fifty at once end a session once', async () => {
  const { refreshToken, sessionId } = await signUp(service, 'race');
  const answers = await Promise.all(Array.from({ length: 50 }, () => revoke(refreshToken)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const events = await auditEvents();
  expect(
    events.filter(({ kind, target_id }) => kind === 'token.revoke' && target_id === sessionId),
  ).toHaveLength(1);
});

it('the audit event has its origin, as of the RPC', async () => {
  const jti = randomUUID();
  const answer = await revoke(await signToken(service.app, { jti }), {
    'x-forwarded-for': '198.51.100.66, 203.0.113.7',
    'user-agent': `curl/8 ${'x'.repeat(400)}`,
    'x-request-id': 'request-7',
  });
  expect(answer.headers.get('x-request-id')).toBe('request-7');
  const event = (await auditEvents()).find(({ target_id }) => target_id === jti);
  expect(event).toMatchObject({
    kind: 'token.revoke',
    outcome: 'success',
    ip_address: '203.0.113.7',
    request_id: 'request-7',
    user_agent: `curl/8 ${'x'.repeat(293)}`,
  });
  const odd = await revoke('x', { 'x-request-id': 'a b\tc' });
  expect(odd.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
});

it('without its database it says so, and when to try again', async () => {
  const lonely = await startTestService();
  try {
    const token = await signToken(lonely.app);
    await lonely.app.database.close();
    const answer = await postForm(lonely, REVOKE, { token });
    expect([answer.status, answer.json]).toMatchObject([503, { error: 'temporarily_unavailable' }]);
    expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  } finally {
    await lonely.running.stop();
  }
});
