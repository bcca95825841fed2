// How the tests run: `unit` needs no server, `services` gets one Postgres and one Redis for the whole run. The files that one worker runs share
// their modules, as loading them anew takes longer than most files; those that put another module in the place of one, `mocking`, do not.
import { configDefaults, defineConfig } from 'vitest/config';

// Folders whose tests touch neither a Postgres nor a Redis.
const unit = [
  'architecture',
  'breached-passwords',
  'cli',
  'console',
  'crypto',
  'domain',
  'mail',
  'rpc',
  'verifier',
].map((folder) => `test/${folder}/**/*.test.ts`);
const mocking = ['rpc/access-matrix', 'rpc/access-open', 'rpc/logs', 'http/oauth-requests'].map(
  (name) => `test/${name}.test.ts`,
);
const warmStarts = 'test/support/warm-starts.ts';
const exclude = [...configDefaults.exclude, 'test/bench/**'];

export default defineConfig({
  test: {
    pool: 'forks',
    isolate: false,
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    passWithNoTests: false,
    setupFiles: ['test/support/restore-spies.ts'],
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: unit, exclude: [...exclude, ...mocking], globalSetup: [warmStarts] },
      },
      {
        extends: true,
        test: { name: 'mocking', include: mocking, exclude, isolate: true, globalSetup: [warmStarts] },
      },
      {
        extends: true,
        test: {
          name: 'services',
          include: ['test/**/*.test.ts'],
          exclude: [...exclude, ...mocking, ...unit],
          globalSetup: [warmStarts, 'test/support/global-setup.ts'],
        },
      },
    ],
  },
});
