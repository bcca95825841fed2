// The audit log and what keeps tables small: sealing, refusals, retention, cleanup.

import { sealHash } from '../crypto/seal-hash.ts';
import { AccessRefusals } from '../domain/audit/access-refusals.ts';
import { AuditTail } from '../domain/audit/audit-tail.ts';
import { AuditSealer } from '../jobs/audit-sealer.ts';
import { Cleanup } from '../jobs/cleanup.ts';
import type { Base } from './base.ts';

/** What writes, seals and follows the audit log, and what deletes rows that have ended. */
export function wireAudit({ config, logger, clock, stores, transact, secrets, ids }: Base) {
  return {
    auditTail: new AuditTail({ auditTrail: stores.auditTrail }),
    accessRefusals: new AccessRefusals({
      audit: stores.audit,
      clock,
      newId: ids.newId,
      onFailure: (error) => logger.warn({ err: error }, 'a refusal was not written to the audit log'),
    }),
    auditSealer: new AuditSealer({
      transact,
      sealingQueue: stores.sealingQueue,
      sealHash: sealHash(secrets['audit-chain']),
      clock,
      onLost: (lost) =>
        logger.warn({ lost }, 'audit events vanished before they were sealed; the log was changed'),
    }),
    auditRetention: config.AUDIT_RETENTION,
    cleaner: new Cleanup({
      transact,
      clock,
      onCleaned: (deleted) => logger.debug({ deleted }, 'rows deleted that had ended'),
    }),
  };
}
