// The names of the migrations that this release knows, in their order; what they do is loaded only by whoever runs them.

/** Oldest first. A name is written into the database when its migration has run, and never changes. */
export const MIGRATION_NAMES = [
  '2026-11-initial-schema',
  '2026-11-account-schema',
  '2026-11-directory-schema',
  '2026-11-audit-schema',
  '2026-11-audit-reading-schema',
  '2026-11-stats-schema',
  '2026-11-key-schema',
  '2026-11-recovery-schema',
  '2026-11-token-lifetime-schema',
  '2026-11-key-lineage-schema',
] as const;

export type MigrationName = (typeof MIGRATION_NAMES)[number];
