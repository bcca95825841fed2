// Opens the service's parts for a command that works on the database itself, beside running nodes or, embedded, in the place of the one.

import type { App } from '../app.ts';
import { openApp } from '../app.ts';
import type { Config } from '../config.ts';
import { createLogger } from '../telemetry/logger.ts';
import { openCurrentStorage } from './current-storage.ts';

/** An open app that serves nothing and logs nothing; close it by `closeApp`. Errors: those of `openCurrentStorage` and `openApp`. */
export async function openForCommand(config: Config): Promise<App> {
  return openApp(config, createLogger('silent'), await openCurrentStorage(config));
}
