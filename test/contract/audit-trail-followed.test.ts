// The contract of AuditTrail for who follows it while events are sealed: no number is passed over.

import { expect, it } from 'vitest';
import { appendAndSeal, sampleEvent } from '../support/audit-events.ts';
import { describeOnPostgres } from '../support/databases.ts';

const BATCHES = 60;
const BATCH = 40;

describeOnPostgres('AuditTrail, followed', (open) => {
  it('passes over nothing that is sealed while it is read', async () => {
    const db = await open();
    const total = BATCHES * BATCH;
    const seal = async () => {
      for (let batch = 0; batch < BATCHES; batch += 1)
        await appendAndSeal(
          db,
          Array.from({ length: BATCH }, () => sampleEvent()),
        );
    };
    const follow = async () => {
      const seen: number[] = [];
      while (seen.at(-1) !== total) {
        const page = await db.stores.auditTrail.read(seen.at(-1) ?? 0, 7);
        seen.push(...page.map(({ number }) => number));
      }
      return seen;
    };
    const all = Array.from({ length: total }, (_, index) => index + 1);
    const [, ...followers] = await Promise.all([seal(), follow(), follow(), follow()]);
    for (const seen of followers) expect(seen).toEqual(all);
  });
});
