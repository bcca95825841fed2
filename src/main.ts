#!/usr/bin/env node
// The program. It loads as little as it can by itself: what a command needs comes with the command, from the cache of compiled code where there is one.

import { availableParallelism } from 'node:os';
import { useCompileCache } from './compile-cache.ts';

// As many threads as hashes at once, and some for signatures, so that a login flood leaves them theirs. Read when the pool is first used.
process.env['UV_THREADPOOL_SIZE'] ??= String(availableParallelism() + 4);
useCompileCache();

const { runCommandLine } = await import('./cli/command-line.ts');
await runCommandLine();
