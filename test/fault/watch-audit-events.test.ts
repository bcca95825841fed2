// WatchAuditEvents over two nodes: every watcher, however often cut off, gets each event once and in one order.

import { connect } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { WatchAuditEventsRequestSchema } from '../../gen/latchkey/v1/admin_service_pb.ts';
import { newId } from '../../src/crypto/ids.ts';
import { MAX_RECENT } from '../../src/domain/audit/recent-events.ts';
import type { AuditProgress, AuditWatcher } from '../support/audit-watcher.ts';
import { newAuditProgress, watchAudit } from '../support/audit-watcher.ts';
import { eventually } from '../support/eventually.ts';
import { signToken } from '../support/forged-tokens.ts';
import { frame } from '../support/raw-calls.ts';
import { ORIGIN } from '../support/samples.ts';
import type { TestService } from '../support/service.ts';
import { bearer, PROTOCOLS } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import { afterSuite, nodeStarter, note, sharedVariables } from './nodes.ts';

const KINDS = ['session.login', 'role.upsert', 'mfa.enroll'] as const;

describeWithServices('watchers of the audit log of two nodes', () => {
  const later = afterSuite();
  const startNode = nodeStarter(later);
  let nodes: readonly [TestService, TestService];
  let headers: Record<string, string>;
  const counts = { events: 0, cuts: 0 };

  beforeAll(async () => {
    const variables = await sharedVariables(later);
    nodes = [await startNode(variables), await startNode(variables)];
    headers = bearer(await signToken(nodes[0].app)).headers;
  });

  const watch = (on: number, progress: AuditProgress, filter: object = {}): AuditWatcher => {
    const node = nodes[on % 2 === 0 ? 0 : 1];
    return watchAudit(node.admin(PROTOCOLS[on % 3]), headers, progress, filter);
  };

  /** Appends events on one node, in transactions that overlap; resolves to their ids. */
  async function act(on: number, count: number, targetId: string): Promise<readonly string[]> {
    const { app } = nodes[on % 2 === 0 ? 0 : 1];
    const ids = Array.from({ length: count }, () => newId());
    await Promise.all(
      ids.map((id, index) =>
        app.transact(({ audit }) =>
          audit.append({
            id,
            time: app.clock.now(),
            kind: KINDS[index % 3]!,
            outcome: 'success',
            targetId,
            origin: ORIGIN,
          }),
        ),
      ),
    );
    counts.events += count;
    return ids;
  }

  it('hear on one of what is done on the other, over every protocol', async () => {
    const watchers = [0, 1, 2, 3, 4, 5].map((on) => watch(on, newAuditProgress()));
    await Promise.all(watchers.map((watcher) => watcher.begun()));
    const began = performance.now();
    const ids = [...(await act(0, 5, 'hear')), ...(await act(1, 5, 'hear'))];
    const own = (watcher: AuditWatcher) =>
      watcher.seen.filter(({ targetId }) => targetId === 'hear').map(({ id }) => id);
    for (const watcher of watchers) await eventually(() => own(watcher).length >= ids.length);
    note(
      `10 events were heard of by 6 watchers ${(performance.now() - began).toFixed(0)} ms after the first began`,
    );
    for (const watcher of watchers) {
      expect(own(watcher)).toEqual(own(watchers[0]!));
      expect(own(watcher).toSorted()).toEqual(ids.toSorted());
    }
    await Promise.all(watchers.map((watcher) => watcher.leave()));
  });

  it('miss nothing that commits late: written before the cursor, committed after it', async () => {
    const [{ app }] = nodes;
    const progress = newAuditProgress();
    const written = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const late = newId();
    const slow = app.transact(async ({ audit }) => {
      const time = app.clock.now();
      await audit.append({ id: late, time, kind: 'role.upsert', outcome: 'success', origin: ORIGIN });
      written.resolve();
      await mayCommit.promise;
    });
    const first = watch(0, progress);
    await first.begun();
    await written.promise;
    const [early] = await act(1, 1, 'early');
    await eventually(() => progress.seen.some(({ id }) => id === early));
    await first.leave();
    mayCommit.resolve();
    await slow;
    const second = watch(1, progress);
    await eventually(() => progress.seen.some(({ id }) => id === late));
    expect(progress.seen.filter(({ id }) => id === late)).toHaveLength(1);
    await second.leave();
  });

  it('see each event once and in one order, whatever cuts them off', async () => {
    const step = fc.record({
      act: fc.constantFrom('act', 'act and go on', 'cut', 'cut and move'),
      on: fc.nat(1),
      who: fc.nat(2),
      count: fc.integer({ min: 1, max: 60 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const targetId = newId();
        const filters = [{ targetId }, { targetId, kinds: ['role.*'] }, {}];
        const readers = filters.map((filter, on) => {
          const progress = newAuditProgress();
          return { filter, progress, on, watcher: watch(on, progress, filter) };
        });
        await Promise.all(readers.map(({ watcher }) => watcher.begun()));
        const acts: Array<Promise<readonly string[]>> = [];
        for (const { act: what, on, who, count } of steps) {
          if (what === 'act' || what === 'act and go on') {
            const ids = act(on, count, targetId);
            acts.push(ids);
            if (what === 'act') await ids;
            continue;
          }
          const reader = readers[who]!;
          counts.cuts += 1;
          await reader.watcher.leave();
          reader.on += what === 'cut' ? 2 : 1;
          reader.watcher = watch(reader.on, reader.progress, reader.filter);
        }
        const ids = (await Promise.all(acts)).flat();
        const seen = (index: number) =>
          readers[index]!.progress.seen.filter((event) => event.targetId === targetId);
        await eventually(() => seen(0).length >= ids.length && seen(2).length >= ids.length);
        const inOrder = seen(0).map(({ id }) => id);
        expect(inOrder.toSorted()).toEqual(ids.toSorted());
        expect(seen(2).map(({ id }) => id)).toEqual(inOrder);
        const roles = seen(0).filter(({ kind }) => kind === 'role.upsert');
        await eventually(() => seen(1).length >= roles.length);
        expect(seen(1).map(({ id }) => id)).toEqual(roles.map(({ id }) => id));
        await Promise.all(readers.map(({ watcher }) => watcher.leave()));
      }),
      { numRuns: 12 },
    );
    note(`${counts.events} events, ${counts.cuts} disconnects: each event once, in one order`);
  }, 180_000);

  /** As many events at once, past the use cases. */
  async function flood(count: number, targetId: string): Promise<void> {
    await sql`
      with event as (
        insert into audit_events (id, time, kind, outcome, target_id, ip_address, user_agent, request_id)
        select gen_random_uuid(), now(), 'mfa.enroll', 'success', ${targetId}, '', '', ''
        from generate_series(1, ${count}) returning time, id)
      insert into audit_queue (event_time, event_id) select time, id from event`.execute(
      nodes[0].app.database.tables,
    );
  }

  it('read slowly, cost no memory and miss nothing', async () => {
    const session = connect(nodes[0].grpcUrl, { settings: { initialWindowSize: 16_384 } });
    const stream = session.request({
      ':method': 'POST',
      ':path': '/latchkey.v1.AdminService/WatchAuditEvents',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    const request = create(WatchAuditEventsRequestSchema, { filter: { kinds: ['mfa.*'] } });
    stream.end(frame(toBinary(WatchAuditEventsRequestSchema, request)));
    await eventually(() => nodes[0].app.auditTail.size === 1);
    const quick = watch(0, newAuditProgress(), { targetId: 'unread-target' });
    let ending = 'it goes on';
    void quick.ended.then((refusal) => (ending = `it ended: ${refusal?.reason}`));
    await quick.begun();
    const total = 5 * MAX_RECENT;
    await flood(total, 'unread-target');
    await eventually(() => quick.seen.length >= total, {
      timeoutMs: 30_000,
      message: () => `${quick.seen.length} of ${total} were told; ${ending}`,
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const told = () => Buffer.concat(chunks).toString('latin1').split('unread-target').length - 1;
    await eventually(() => told() >= total, {
      timeoutMs: 30_000,
      intervalMs: 200,
      message: () => `${told()} of ${total} were told`,
    });
    expect(told()).toBe(total);
    expect(new Set(quick.seen.map(({ id }) => id)).size).toBe(total);
    session.destroy();
    await quick.leave();
    await eventually(() => nodes[0].app.auditTail.size === 0);
  });
});
