// Runs beside every test file: the files of a worker share their modules, so none leaves a spy behind in them.

import { afterAll, vi } from 'vitest';

afterAll(() => {
  vi.restoreAllMocks();
});
