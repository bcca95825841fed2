// How the tests run: `unit` needs no server, `services` gets one Postgres and one Redis for the whole run.
import { configDefaults, defineConfig } from 'vitest/config';

// Folders whose tests touch neither a database nor Redis.
const unit = ['architecture', 'breach', 'cli', 'console', 'crypto', 'domain', 'mail', 'rpc', 'verifier'].map(
  (folder) => `test/${folder}/**/*.test.ts`,
);
const warmStarts = 'test/support/warm-starts.ts';
const exclude = [...configDefaults.exclude, 'test/bench/**'];

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    passWithNoTests: false,
    projects: [
      { extends: true, test: { name: 'unit', include: unit, exclude, globalSetup: [warmStarts] } },
      {
        extends: true,
        test: {
          name: 'services',
          include: ['test/**/*.test.ts'],
          exclude: [...exclude, ...unit],
          globalSetup: [warmStarts, 'test/support/global-setup.ts'],
        },
      },
    ],
  },
});
