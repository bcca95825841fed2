// The contract of AuditNumbers, on every database: each sealed event has the number that the trail gives it, and no other has one.

import { expect, it } from 'vitest';
import { EVERY_EVENT } from '../../src/domain/audit/audit-filter.ts';
import { EXPORT_PAGE, exportAuditEvents } from '../../src/domain/audit/export-audit-events.ts';
import { appendAndSeal, sampleEvent, sealOnce } from '../support/audit-events.ts';
import { describeOnEveryDatabase, type TestStores } from '../support/databases.ts';
import { DAY_MS, NOW } from '../support/samples.ts';

async function exported(db: TestStores) {
  const all = [];
  for await (const page of exportAuditEvents(db.stores, EVERY_EVENT)) {
    expect(page.length).toBeLessThanOrEqual(EXPORT_PAGE);
    all.push(...page);
  }
  return all;
}

describeOnEveryDatabase('AuditNumbers', (open) => {
  it('knows the number of every sealed event, however long before its seal it happened', async () => {
    const db = await open();
    const ages = [0, 30_000, 30 * 60_000, DAY_MS / 2, 40 * DAY_MS, -30_000, -DAY_MS * 3];
    for (const age of ages) await appendAndSeal(db, [sampleEvent({ time: NOW - age })]);
    const waiting = [sampleEvent({ time: NOW - 5 }), sampleEvent({ time: NOW + 5 * DAY_MS })];
    for (const event of waiting) await db.stores.audit.append(event);
    const sealed = await db.stores.auditTrail.read(0, 100);
    const numbers = new Map(sealed.map(({ number, event }) => [event.id, number]));
    const all = await exported(db);
    expect(all).toHaveLength(ages.length + waiting.length);
    expect(all.map(({ event }) => event.time)).toEqual(
      all.map(({ event }) => event.time).toSorted((a, b) => a - b),
    );
    for (const { number, event } of all) expect(number).toBe(numbers.get(event.id));
    await sealOnce(db);
    expect((await exported(db)).map(({ number }) => number).toSorted((a, b) => a! - b!)).toEqual(
      all.map((_, index) => index + 1),
    );
  });

  it('knows none of an event that is not there', async () => {
    const db = await open();
    expect(await db.stores.auditNumbers.of([sampleEvent()])).toEqual(new Map());
    expect(await exported(db)).toEqual([]);
  });
});
