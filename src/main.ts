#!/usr/bin/env node
// The program. It loads as little as it can by itself: what a command needs comes with the command, from the cache of compiled code where there is one.

import { useCompileCache } from './compile-cache.ts';

useCompileCache();

const { runCommandLine } = await import('./cli/command-line.ts');
await runCommandLine();
