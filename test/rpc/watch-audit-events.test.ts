// WatchAuditEvents over every protocol, embedded: what it streams, to whom, for how long, and how it ends.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AuditOutcome } from '../../gen/latchkey/v1/audit_event_pb.ts';
import { auditCursorCodec } from '../../src/crypto/tokens/cursor-codecs.ts';
import { newId } from '../../src/crypto/ids.ts';
import { MasterKey } from '../../src/crypto/keys/master-key.ts';
import type { AuditEvent } from '../../src/domain/audit/audit-event.ts';
import { publishRevocations } from '../../src/domain/revocation/publish-revocations.ts';
import type { RevocationTarget } from '../../src/domain/revocation/revocation.ts';
import { revocation } from '../../src/domain/revocation/revocation.ts';
import { newAuditProgress, watchAudit } from '../support/audit-watcher.ts';
import { eventually } from '../support/eventually.ts';
import { signToken } from '../support/forged-tokens.ts';
import { firstAdministrator, member } from '../support/members.ts';
import { ORIGIN } from '../support/samples.ts';
import { bearer, PROTOCOLS, startTestService, type TestService } from '../support/service.ts';

let service: TestService;
let headers: Record<string, string>;

beforeAll(async () => {
  service = await startTestService();
  headers = (await firstAdministrator(service)).options.headers;
});
afterAll(() => service.stop());

/** Appends events as use cases do; resolves to their ids. */
async function act(count: number, change: Partial<AuditEvent> = {}): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, () => newId());
  for (const id of ids) {
    const time = service.app.clock.now();
    await service.app.audit.append({
      id,
      time,
      kind: 'mfa.enroll',
      outcome: 'success',
      origin: ORIGIN,
      ...change,
    });
  }
  return ids;
}

const noStreamsLeft = () =>
  eventually(() => service.app.auditTail.size === 0, {
    message: () => `${service.app.auditTail.size} still follow`,
  });

describe.each(PROTOCOLS)('over %s', (protocol) => {
  const watch = (...rest: [typeof headers?, ReturnType<typeof newAuditProgress>?, object?]) =>
    watchAudit(service.admin(protocol), rest[0] ?? headers, rest[1], rest[2]);

  it('begins at once and streams each event whole as it happens, and none from before', async () => {
    await act(1);
    await eventually(isSealed);
    const watcher = watch();
    await watcher.begun();
    expect(watcher.seen).toEqual([]);
    expect(watcher.cursor()).not.toBe('');
    const [id] = await act(1, {
      outcome: 'refused',
      reason: 'ROLE_PROTECTED',
      actorId: 'actor-1',
      targetId: 'target-1',
      details: { scopes: 'a b' },
    });
    await eventually(() => watcher.seen.some((event) => event.id === id));
    expect(watcher.seen.filter((event) => event.id === id)).toMatchObject([
      {
        kind: 'mfa.enroll',
        outcome: AuditOutcome.REFUSED,
        reason: 'ROLE_PROTECTED',
        actorId: 'actor-1',
        targetId: 'target-1',
        accountId: '',
        ipAddress: ORIGIN.ipAddress,
        details: { scopes: 'a b' },
      },
    ]);
    await watcher.leave();
    await noStreamsLeft();
  });

  it('streams what callers do, within a second or two', async () => {
    const watcher = watch(headers, undefined, { kinds: ['session.login'] });
    await watcher.begun();
    const { id } = await member(service, `watched-${protocol}`);
    await eventually(() => watcher.seen.some((event) => event.accountId === id));
    await watcher.leave();
  });

  it('resumes behind the cursor, with another filter too, and sends nothing twice', async () => {
    const progress = newAuditProgress();
    const first = watch(headers, progress, { kinds: ['mfa.*'] });
    await first.begun();
    const early = await act(3);
    await eventually(() => progress.seen.length >= 3);
    await first.leave();
    const missed = await act(700);
    const others = await act(3, { kind: 'role.upsert' });
    const second = watch(headers, progress, { kinds: ['mfa.*'] });
    await eventually(() => progress.seen.length >= 703);
    expect(progress.seen.map(({ id }) => id)).toEqual([...early, ...missed]);
    await second.leave();
    const third = watch(headers, { ...progress, seen: [] }, { kinds: ['role.*'] });
    const late = await act(1, { kind: 'role.delete' });
    await eventually(() => third.seen.length > 0 && third.seen.at(-1)?.id === late[0]);
    expect(third.seen.map(({ id }) => id).filter((id) => !others.includes(id))).toEqual(late);
    await third.leave();
    await noStreamsLeft();
  });

  it('refuses a cursor that is not ours', async () => {
    const { write } = service.app.auditCursorCodec;
    const good = write(1);
    const forged = [
      'x',
      `${good}A`,
      `${good}=`,
      good.slice(0, -4),
      `B${good.slice(1)}`,
      auditCursorCodec(new MasterKey(new Uint8Array(32))).write(1),
      service.app.watchCursorCodec.write({ position: '1', time: service.app.clock.now() }),
      service.app.pageTokenCodec.write('audit-events/', 1),
      'a'.repeat(100_000),
      // From the future: it was never issued.
      write(Number.MAX_SAFE_INTEGER),
    ];
    for (const cursor of forged) {
      const watcher = watch(headers, { seen: [], cursor });
      expect(await watcher.ended).toMatchObject({
        code: 'InvalidArgument',
        reason: 'VALIDATION_FAILED',
        fields: ['cursor'],
      });
    }
    await noStreamsLeft();
  });

  it('ends when its credential is revoked or loses the scope', async () => {
    const [jti, sid, sub] = [newId(), newId(), newId()];
    const open = async (claims: Record<string, unknown>) => {
      const watcher = watch(bearer(await signToken(service.app, claims)).headers);
      await watcher.begun();
      return watcher;
    };
    const watchers = [await open({ jti }), await open({ sid }), await open({ sub, ver: 1 })];
    const bystander = await open({});
    const targets: readonly RevocationTarget[] = [
      { form: 'token', id: jti },
      { form: 'session', id: sid },
      { form: 'subject', id: sub, minVersion: 2 },
    ];
    const all = targets.map((target) => revocation(target, service.app.clock.now(), 900_000));
    await service.app.transact(async ({ revocations }) => {
      for (const one of all) await revocations.insert(one);
    });
    await publishRevocations(service.app, all);
    for (const watcher of watchers) expect((await watcher.ended)?.reason).toBe('TOKEN_REVOKED');
    const stored = await service.app.roles.list();
    const without = stored.map((role) => ({
      ...role,
      scopes: role.scopes.filter((scope) => scope !== 'audit:read'),
    }));
    const list = vi.spyOn(service.app.roles, 'list').mockResolvedValue(without);
    service.app.roleDirectory.replace(without);
    expect((await bystander.ended)?.reason).toBe('INSUFFICIENT_SCOPE');
    list.mockRestore();
    service.app.roleDirectory.replace(stored);
    await noStreamsLeft();
  });

  it('notices that its reader has gone, and prints nothing of it', async () => {
    const printed = vi.spyOn(console, 'error');
    const watchers = Array.from({ length: 20 }, () => watch());
    await Promise.all(watchers.map((watcher) => watcher.begun()));
    expect(service.app.auditTail.size).toBe(20);
    await Promise.all(watchers.map((watcher) => watcher.leave()));
    await noStreamsLeft();
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  it('a node that stops ends its streams, and does not wait for them', async () => {
    // Longer than this test may take.
    const node = await startTestService({ variables: { SHUTDOWN_GRACE: '10m' } });
    const { options } = await firstAdministrator(node);
    const watchers = Array.from({ length: 5 }, () => watchAudit(node.admin(protocol), options.headers));
    await Promise.all(watchers.map((watcher) => watcher.begun()));
    await node.stop();
    for (const watcher of watchers)
      expect(await watcher.ended).toMatchObject({ code: 'Unavailable', reason: 'SHUTTING_DOWN' });
  });
});

async function isSealed(): Promise<boolean> {
  const { count } = await service.app.database.tables
    .selectFrom('audit_queue')
    .select((expression) => expression.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count) === 0;
}
