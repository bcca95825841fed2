// What reading the audit log needs beside its own indexes.

import { Migration } from '@mikro-orm/migrations';

/** Adds an index by which an export finds the seals of a time. */
export class AuditReadingSchema extends Migration {
  override up(): void {
    this.addSql(`create index audit_seals_by_time on audit_seals (seal_time)`);
  }
}
